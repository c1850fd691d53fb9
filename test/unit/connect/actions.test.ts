import { expect, test } from "vitest";
import { takeActions, usesSignals } from "../../../src/connect/actions.ts";
import type {
	ConnectClient,
	ConnectorStatus,
} from "../../../src/connect/client.ts";
import { connectorConfig } from "../../../src/connect/debezium.ts";
import {
	notificationOf,
	progressOf,
} from "../../../src/connect/notification.ts";
import type { Signals } from "../../../src/connect/signal.ts";
import { signalConfig } from "../../../src/connect/signal-config.ts";
import { TributaryError } from "../../../src/errors.ts";
import type { CdcPipeline } from "../../../src/resource/cdc-pipeline.ts";
import type {
	PipelineActions,
	PipelineActionsStatus,
} from "../../../src/resource/cdc-pipeline-actions.ts";
import { pipeline } from "../operator/pipeline.ts";

const access = { brokers: ["kafka:9092"], ssl: false, sasl: undefined };
const NOW = Date.parse("2026-01-01T00:00:00Z");

function acting(actions: PipelineActions): CdcPipeline {
	const plain = pipeline();
	return { ...plain, spec: { ...plain.spec, actions } };
}

const up: ConnectorStatus = {
	name: "data.shop",
	connector: { state: "RUNNING" },
	tasks: [{ id: 0, state: "RUNNING" }],
};
const stopped: ConnectorStatus = {
	...up,
	connector: { state: "STOPPED" },
	tasks: [],
};

/** What was called, in order; Kafka is away where it says so. */
function doubles({ kafkaAway = false } = {}) {
	const calls: string[] = [];
	const said: object[] = [];
	const kafka = async (call: string): Promise<void> => {
		if (kafkaAway)
			throw new TributaryError(
				"KAFKA_UNREACHABLE",
				"no answer from kafka:9092",
			);
		calls.push(call);
	};
	const signals: Signals = {
		prepare: async () => {
			await kafka("prepare");
			return 7;
		},
		send: async (_, __, signal) => kafka(`send ${JSON.stringify(signal)}`),
		notifications: async (_, __, from) => {
			await kafka(`notifications from ${from}`);
			return said.flatMap(
				(one) => notificationOf(Buffer.from(JSON.stringify(one))) ?? [],
			);
		},
	};
	const note = (call: string) => async (name: string) => {
		calls.push(`${call} ${name}`);
	};
	const client = {
		restart: note("restart"),
		deleteOffsets: note("deleteOffsets"),
		resume: note("resume"),
	} as unknown as ConnectClient;
	const take = (
		now: CdcPipeline,
		before: PipelineActionsStatus | undefined,
		{
			fresh = false,
			status = up,
		}: { fresh?: boolean; status?: ConnectorStatus | undefined } = {},
	) =>
		takeActions(
			client,
			now,
			status,
			{ before, fresh, access: () => access, signals },
			NOW,
		);
	return { calls, said, take };
}

const again = acting({
	resnapshot: { nonce: "n1", tables: ["shop.orders"], mode: "incremental" },
});

test("Kafka out of reach is told, and the action stays due", async () => {
	const away = doubles({ kafkaAway: true });
	const told = await away.take(again, undefined);
	expect(told?.resnapshot).toEqual({
		nonce: "n1",
		mode: "incremental",
		tables: ["shop.orders"],
		state: "Requested",
		message: "no answer from kafka:9092",
	});
	const back = doubles();
	expect((await back.take(again, told))?.resnapshot).toMatchObject({
		requestedAt: "2026-01-01T00:00:00.000Z",
		notificationsFrom: 7,
	});
	expect(back.calls).toEqual([
		"prepare",
		'send {"id":"n1","mode":"incremental","tables":["shop.orders"]}',
	]);
});

test("what was asked for is sent once, followed to its end, and then left alone", async () => {
	const { calls, said, take } = doubles();
	let actions = await take(again, undefined);
	said.push({
		id: "n1",
		type: "STARTED",
		aggregate_type: "Incremental Snapshot",
	});
	actions = await take(again, actions);
	expect(actions?.resnapshot).toMatchObject({ state: "Running" });
	expect(actions?.resnapshot?.rows).toBeUndefined();
	said.push(
		{
			id: "other",
			type: "TABLE_SCAN_COMPLETED",
			aggregate_type: "Incremental Snapshot",
			additional_data: { total_rows_scanned: "99", status: "SUCCEEDED" },
		},
		{
			id: "n1",
			type: "TABLE_SCAN_COMPLETED",
			aggregate_type: "Incremental Snapshot",
			additional_data: { total_rows_scanned: "3", status: "SUCCEEDED" },
		},
		{
			id: "n1",
			type: "COMPLETED",
			aggregate_type: "Incremental Snapshot",
		},
	);
	actions = await take(again, actions);
	expect(actions?.resnapshot).toMatchObject({ state: "Completed", rows: 3 });
	const before = calls.length;
	expect(await take(again, actions)).toEqual(actions);
	expect(await take(pipeline(), actions)).toEqual(actions);
	expect(calls.length).toBe(before);
	expect(calls.filter((call) => call.startsWith("send"))).toHaveLength(1);
});

test("a full snapshot forgets the position only of a connector that is stopped", async () => {
	const full = acting({
		resnapshot: { nonce: "n1", tables: [], mode: "full" },
	});
	const { calls, take } = doubles();
	const waits = await take(full, undefined);
	expect(waits?.resnapshot).toMatchObject({
		state: "Requested",
		message: "the connector is being stopped to forget its position",
	});
	expect(calls).toEqual([]);
	const done = await take(full, waits, { status: stopped });
	expect(done?.resnapshot?.requestedAt).toBeDefined();
	expect(calls).toEqual([
		"prepare",
		"deleteOffsets data.shop",
		"resume data.shop",
	]);
});

test("nonces that came with a new pipeline are done, and configure nothing", async () => {
	const { calls, take } = doubles();
	const both = acting({ ...again.spec.actions, restart: "r1" });
	const actions = await take(both, undefined, { fresh: true });
	expect(actions).toMatchObject({
		restart: { nonce: "r1" },
		resnapshot: { nonce: "n1", state: "Ignored" },
	});
	expect(calls).toEqual([]);
	expect(usesSignals(both, { before: undefined, fresh: true })).toBe(false);
	expect(usesSignals(both, { before: actions, fresh: false })).toBe(false);
	await take(
		{ ...both, spec: { ...both.spec, actions: { restart: "r2" } } },
		actions,
	);
	expect(calls).toEqual(["restart data.shop"]);
});

test.each<[string, string, string | undefined]>([
	[
		"NO_PRIMARY_KEY",
		"shop.orders could not be read: it has no primary key, which chunks need: use mode blocking or full",
		"Failed",
	],
	[
		"UNKNOWN_SCHEMA",
		"shop.orders could not be read: the source has no such table",
		"Failed",
	],
])(
	"a table that can't be read (%s) is not reported as read",
	(status, message) => {
		expect(
			progressOf(
				[
					{
						id: "a",
						aggregate: "Incremental Snapshot",
						type: "STARTED",
						data: {},
					},
					{
						id: "a",
						aggregate: "Incremental Snapshot",
						type: "TABLE_SCAN_COMPLETED",
						data: { scanned_collection: "shop.orders", status },
					},
					{
						id: "a",
						aggregate: "Incremental Snapshot",
						type: "COMPLETED",
						data: {},
					},
				],
				{ id: "a", mode: "incremental" },
			),
		).toEqual({ kind: "failed", message });
	},
);

test("a connector that says nothing after it was told is told of, with where to look", async () => {
	const { take } = doubles();
	const long = await take(again, {
		resnapshot: {
			nonce: "n1",
			mode: "incremental",
			state: "Requested",
			requestedAt: new Date(NOW - 180_000).toISOString(),
			notificationsFrom: 7,
		},
	});
	expect(long?.resnapshot?.message).toContain("see the log of Kafka Connect");
});

test("a scope in which MongoDB's connector ignores incremental snapshots is refused, one database keeps its marks", async () => {
	const config = { "capture.scope": "collection" };
	const { take, calls } = doubles();
	const narrow = pipeline({ source: { config } });
	const actions = await take(
		{ ...narrow, spec: { ...narrow.spec, actions: again.spec.actions } },
		undefined,
	);
	expect(actions?.resnapshot).toMatchObject({
		state: "Failed",
		message: expect.stringMatching(/^with capture\.scope collection/),
	});
	expect(calls).toEqual([]);
	expect(
		signalConfig(
			pipeline({
				source: {
					config: { "capture.scope": "database", "capture.target": "shop" },
				},
			}),
			access,
		).collection,
	).toBe("shop.tributary_signals");
});

test("the signal collection is captured, its name as it is, and MongoDB's scope stays", () => {
	const config = connectorConfig(
		pipeline({ source: { signalCollection: "shop.s$gnals" } }),
		"mongodb://m",
		signalConfig(
			pipeline({ source: { signalCollection: "shop.s$gnals" } }),
			access,
		),
	);
	expect(config["collection.include.list"]).toBe(
		"shop.orders,shop\\.s\\$gnals",
	);
	expect(config["signal.data.collection"]).toBe("shop.s$gnals");
	expect(connectorConfig(pipeline(), "mongodb://m")).not.toHaveProperty(
		"signal.kafka.topic",
	);
});

test("the connector's Kafka consumer of signals speaks TLS and SASL as the writers do; quotes in a password stay inside it", () => {
	const { defaults } = signalConfig(pipeline(), {
		brokers: ["kafka:9093"],
		ssl: { ca: ["-----BEGIN CERTIFICATE-----"] },
		sasl: {
			mechanism: "scram-sha-512",
			username: "u",
			password: 'a"; evil="\\',
		},
	});
	expect(defaults).toEqual({
		"signal.consumer.security.protocol": "SASL_SSL",
		"signal.consumer.ssl.truststore.type": "PEM",
		"signal.consumer.ssl.truststore.certificates":
			"-----BEGIN CERTIFICATE-----",
		"signal.consumer.sasl.mechanism": "SCRAM-SHA-512",
		"signal.consumer.sasl.jaas.config":
			'org.apache.kafka.common.security.scram.ScramLoginModule required username="u" password="a\\"; evil=\\"\\\\";',
	});
});

test("a connector that keeps its schemas in Kafka reaches brokers with TLS and a password; others get no password", () => {
	const access = {
		brokers: ["kafka:9093"],
		ssl: true,
		sasl: { mechanism: "plain", username: "u", password: "p" },
	} as const;
	for (const type of ["mysql", "mariadb"] as const) {
		const config = connectorConfig(
			pipeline({ source: { type } }),
			`${type}://u:p@db`,
			undefined,
			access,
		);
		for (const client of ["producer", "consumer"])
			expect(config).toMatchObject({
				[`schema.history.internal.${client}.security.protocol`]: "SASL_SSL",
				[`schema.history.internal.${client}.sasl.mechanism`]: "PLAIN",
				[`schema.history.internal.${client}.sasl.jaas.config`]:
					'org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";',
			});
	}
	expect(
		JSON.stringify(
			connectorConfig(pipeline(), "mongodb://m", undefined, access),
		),
	).not.toContain("PlainLoginModule");
});
