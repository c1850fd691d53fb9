import { expect, test } from "vitest";
import {
	decide,
	type Observed,
} from "../../../src/operator/cdc-pipeline/decide.ts";
import { REASONS } from "../../../src/operator/cdc-pipeline/reasons.ts";
import { pipelineStatus } from "../../../src/operator/cdc-pipeline/status.ts";
import type { ContainerStatus, Pod } from "../../../src/operator/types.ts";
import { pipeline } from "./pipeline.ts";

const image = {
	image: "i",
	pullPolicy: "Never",
	logLevel: "info",
	pullSecrets: [],
} as const;

function pod(
	container: Omit<ContainerStatus, "name">,
	conditions: NonNullable<Pod["status"]>["conditions"] = [],
): Pod {
	return {
		apiVersion: "v1",
		kind: "Pod",
		metadata: { name: "shop-writer-0", namespace: "data" },
		status: {
			phase: "Pending",
			conditions,
			containerStatuses: [{ name: "writer", ...container }],
		},
	};
}

function told(changes: Partial<Observed>, failure?: Error) {
	const observed: Observed = {
		pipeline: pipeline(),
		uid: "u",
		before: undefined,
		children: {},
		cronJobs: {},
		maintenancePods: { optimize: [], vacuum: [] },
		tables: new Map(),
		pods: [],
		secrets: {
			problems: [],
			versions: new Map(),
			connectionUri: "mongodb://m",
			read: () => undefined,
		},
		figures: {
			tables: [],
			lag: undefined,
			freshnessSeconds: undefined,
			rowsPerSecond: undefined,
			errors: [],
			silent: [],
		},
		...changes,
	};
	const { conditions } = pipelineStatus({
		observed,
		plan: decide(observed, image),
		outcome: {
			ready: true,
			reason: "Running",
			message: "",
			terminal: false,
		},
		failure,
		before: undefined,
		generation: 1,
		at: new Date(0),
	});
	return conditions?.find(({ type }) => type === "WriterReady");
}

const waiting = (reason: string, message = reason) => ({
	state: { waiting: { reason, message } },
});

test.each<[string, Partial<Observed>, Error | undefined, string, RegExp]>([
	[
		"no node has room",
		{
			pods: [
				pod({}, [
					{
						type: "PodScheduled",
						status: "False",
						reason: "Unschedulable",
						message: "0/1 nodes",
					},
				]),
			],
		},
		undefined,
		REASONS.writerUnschedulable,
		/lower spec\.writer\.resources/,
	],
	[
		"the image can't be pulled",
		{ pods: [pod(waiting("ImagePullBackOff"))] },
		undefined,
		REASONS.imageUnavailable,
		/check the image of the operator/,
	],
	[
		"the container can't be made",
		{ pods: [pod(waiting("CreateContainerConfigError", "secret not found"))] },
		undefined,
		REASONS.writerFailed,
		/kubectl describe pod shop-writer-0/,
	],
	[
		"the writer died without a word",
		{ pods: [pod({ lastState: { terminated: { exitCode: 139 } } })] },
		undefined,
		REASONS.writerFailed,
		/kubectl cdc logs --previous/,
	],
	[
		"the writer had too little memory",
		{
			pods: [
				pod({
					lastState: { terminated: { exitCode: 137, reason: "OOMKilled" } },
				}),
			],
		},
		undefined,
		REASONS.writerFailed,
		/raise it or lower spec\.writer\.batch/,
	],
	[
		"the writers take long",
		{},
		undefined,
		REASONS.writersStarting,
		/kubectl cdc logs shop/,
	],
	[
		"the API server refuses",
		{},
		new Error("forbidden: quota"),
		REASONS.applyFailed,
		/allow or correct what it names/,
	],
	[
		"nobody wants writers",
		{ pipeline: pipeline({ writer: { replicas: 0 } }) },
		undefined,
		REASONS.stopped,
		/set it to 1 or more/,
	],
])("the next step is told when %s", (_, changes, failure, reason, step) => {
	const condition = told(changes, failure);
	expect(condition).toMatchObject({ status: "False", reason });
	expect(condition?.message).toMatch(step);
});
