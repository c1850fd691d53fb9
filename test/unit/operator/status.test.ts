import { expect, test } from "vitest";
import type { ConnectorOutcome } from "../../../src/operator/cdc-pipeline/connector.ts";
import {
	decide,
	type Observed,
} from "../../../src/operator/cdc-pipeline/decide.ts";
import {
	ageText,
	pipelineStatus,
} from "../../../src/operator/cdc-pipeline/status.ts";
import { writerFigures } from "../../../src/operator/cdc-pipeline/writer-report.ts";
import type { Pod } from "../../../src/operator/types.ts";
import type { CdcPipelineStatus } from "../../../src/resource/cdc-pipeline-status.ts";
import { pipeline } from "./pipeline.ts";

const image = {
	image: "i",
	pullPolicy: "Never",
	pullSecrets: [],
	logLevel: "info",
} as const;
const at = new Date("2026-01-01T00:00:00Z");
const fine: ConnectorOutcome = {
	ready: true,
	reason: "ConnectorRunning",
	message: "",
	terminal: false,
};
const down: ConnectorOutcome = {
	...fine,
	ready: false,
	reason: "ConnectUnreachable",
	message: "connect:8083 refused the connection",
};
const rejected: ConnectorOutcome = {
	...down,
	reason: "ConfigRejected",
	terminal: true,
};

function pod(ready: boolean, container: object = {}): Pod {
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name: "shop-writer-0", namespace: "data" },
		status: {
			phase: "Running",
			conditions: [
				{
					type: "Ready",
					status: ready ? "True" : "False",
					reason: "",
					message: "",
				},
			],
			containerStatuses: [{ name: "writer", ready, ...container }],
		},
	};
}

function observed(changes: Partial<Observed> = {}): Observed {
	return {
		pipeline: pipeline(),
		uid: "u",
		before: undefined,
		children: {},
		cronJobs: {},
		pods: [pod(true)],
		maintenancePods: { optimize: [], vacuum: [] },
		tables: new Map(),
		secrets: {
			problems: [],
			versions: new Map([["lake", "u/1"]]),
			connectionUri: "mongodb://m",
			read: () => undefined,
		},
		figures: {
			tables: [],
			lag: 0,
			freshnessSeconds: 1,
			rowsPerSecond: 0,
			errors: [],
			silent: [],
		},
		...changes,
	};
}

function statusOf(
	changes: Partial<Observed>,
	outcome: ConnectorOutcome | undefined,
	before?: CdcPipelineStatus,
): CdcPipelineStatus {
	const now = observed(changes);
	return pipelineStatus({
		observed: now,
		plan: decide(now, image),
		outcome,
		before,
		generation: 1,
		at,
	});
}

const atWork: CdcPipelineStatus = { phase: "Running" };

test.each<
	[
		string,
		Partial<Observed>,
		ConnectorOutcome,
		CdcPipelineStatus | undefined,
		string,
	]
>([
	["all is well", {}, fine, undefined, "Running"],
	["writers still start", { pods: [] }, fine, undefined, "Pending"],
	["Connect is down from the start", {}, down, undefined, "Pending"],
	["Connect goes down later", {}, down, atWork, "Degraded"],
	["the first configuration is rejected", {}, rejected, undefined, "Failed"],
	[
		"a later configuration is rejected while writers work on",
		{},
		rejected,
		atWork,
		"Degraded",
	],
	[
		"a later one is rejected and no writer is ready",
		{ pods: [pod(false)] },
		rejected,
		atWork,
		"Failed",
	],
	[
		"the only writer is moved to another node",
		{ pods: [pod(false)] },
		fine,
		atWork,
		"Degraded",
	],
	[
		"the writer ended by an error",
		{
			pods: [
				pod(false, {
					lastState: { terminated: { exitCode: 1, message: "no" } },
				}),
			],
		},
		fine,
		atWork,
		"Failed",
	],
	[
		"the writer was told to stop and starts again",
		{ pods: [pod(false, { lastState: { terminated: { exitCode: 0 } } })] },
		fine,
		atWork,
		"Degraded",
	],
	[
		"paused",
		{ pipeline: pipeline({ state: "paused" }) },
		fine,
		atWork,
		"Paused",
	],
	[
		"stopped",
		{ pipeline: pipeline({ state: "stopped" }), pods: [] },
		fine,
		atWork,
		"Stopped",
	],
])("the phase is right when %s", (_, changes, outcome, before, phase) => {
	expect(statusOf(changes, outcome, before).phase).toBe(phase);
});

test("a writer without enough memory is told which field to raise", () => {
	const { conditions } = statusOf(
		{
			pods: [
				pod(false, {
					restartCount: 2,
					state: { terminated: { exitCode: 137, reason: "OOMKilled" } },
				}),
			],
		},
		fine,
	);
	expect(conditions?.find(({ type }) => type === "WriterReady")?.message).toBe(
		"shop-writer-0, restarted 2 times: it used more memory than spec.writer.resources.memory allows: raise it or lower spec.writer.batch",
	);
});

test("lag is not told while a writer does not answer: a part of it would look too good", async () => {
	const pods = [
		{ name: "a", podIP: "1" },
		{ name: "b", podIP: "2" },
	];
	const report = {
		tables: [{ name: "orders", version: 3, rows: 5 }],
		lagRecords: 4,
		freshnessSeconds: 2,
		rowsPerSecond: 10,
	};
	const both = await writerFigures(pods, async (ip) => ({
		...report,
		freshnessSeconds: Number(ip),
	}));
	expect(both).toMatchObject({
		lag: 8,
		freshnessSeconds: 2,
		rowsPerSecond: 20,
		tables: [{ name: "orders", version: 3, rows: 10 }],
	});
	const one = await writerFigures(pods, async (ip) => {
		if (ip === "2") throw new Error("timeout");
		return report;
	});
	expect(one.lag).toBeUndefined();
	expect(one.freshnessSeconds).toBeUndefined();
	expect(one.silent).toEqual(["b: timeout"]);
});

test("tables stay listed while no writer runs", () => {
	const before: CdcPipelineStatus = {
		...atWork,
		tables: [{ name: "orders", version: 7 }],
	};
	expect(
		statusOf(
			{ pipeline: pipeline({ state: "paused" }), pods: [] },
			fine,
			before,
		),
	).toMatchObject({ tableCount: 1, tables: [{ name: "orders", version: 7 }] });
});

test("an age is told in one unit that fits", () => {
	expect([0.4, 119, 121, 7_300, 200_000].map(ageText)).toEqual([
		"0s",
		"119s",
		"2m",
		"2h",
		"2d",
	]);
});

test("writers at work are left alone while a Secret of theirs is missing", () => {
	const { actions } = decide(
		observed({
			secrets: {
				problems: [{ reason: "SecretMissing", message: "m", source: false }],
				versions: new Map(),
				connectionUri: "mongodb://m",
				read: () => undefined,
			},
		}),
		image,
	);
	expect(actions.map((action) => action.do)).toEqual(["connector"]);
});
