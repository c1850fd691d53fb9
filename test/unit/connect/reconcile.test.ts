import { expect, test } from "vitest";
import type {
	ConnectClient,
	ConnectorConfig,
	ConnectorStatus,
	Validation,
} from "../../../src/connect/client.ts";
import { reconcileConnector } from "../../../src/connect/reconcile.ts";
import { pipeline } from "../operator/pipeline.ts";

const URI = "mongodb://cdc:p%40ss@m/?replicaSet=rs0";
const MINUTE = 60_000;

/** A Kafka Connect with one connector, whose task can be broken, and what it is told. */
function connect() {
	const calls: string[] = [];
	const state = {
		config: undefined as ConnectorConfig | undefined,
		connector: "RUNNING",
		/** Of the tasks; one with a trace has failed. */
		tasks: [undefined] as (string | undefined)[],
		validation: { kind: "valid" } as Validation,
		/** Whether a restart helps. */
		mends: false,
	};
	const client = {
		config: async () => state.config,
		status: async (name: string): Promise<ConnectorStatus | undefined> =>
			state.config && {
				name,
				connector: { state: state.connector },
				tasks: state.tasks.map((trace, id) => ({
					id,
					...(trace === undefined
						? { state: "RUNNING" }
						: { state: "FAILED", trace }),
				})),
			},
		validate: async () => {
			calls.push("validate");
			return state.validation;
		},
		put: async (_: string, config: ConnectorConfig) => {
			calls.push("put");
			state.config = config;
		},
		restartFailed: async () => {
			calls.push("restart");
			if (state.mends) state.tasks = state.tasks.map(() => undefined);
		},
	} as Partial<ConnectClient> as ConnectClient;
	let restarts: Parameters<typeof reconcileConnector>[3];
	return {
		calls,
		state,
		async look(nowMs: number, wanted = pipeline()) {
			const outcome = await reconcileConnector(
				client,
				wanted,
				URI,
				restarts,
				nowMs,
			);
			restarts = outcome.restarts;
			return outcome;
		},
	};
}

/** Minutes at which the failed task is restarted, when it is looked at every ten seconds. */
async function restartsWithin(
	cluster: ReturnType<typeof connect>,
	from: number,
	minutes: number,
): Promise<number[]> {
	const at: number[] = [];
	for (let now = 0; now <= minutes * MINUTE; now += 10_000) {
		const before = cluster.calls.length;
		await cluster.look(from + now);
		if (cluster.calls.slice(before).includes("restart")) at.push(now / MINUTE);
	}
	return at;
}

test("a task that always fails is restarted ever more rarely, at last every hour, and for ever", async () => {
	const cluster = connect();
	await cluster.look(0);
	cluster.state.tasks = [undefined, "java.io.EOFException: gone"];
	// The waits are n² + n: 2, 6, 12, 20, 30, 42, 56, and 60 from there on.
	expect(await restartsWithin(cluster, 0, 300)).toEqual([
		0, 2, 8, 20, 40, 70, 112, 168, 228, 288,
	]);
});

test("a task that stayed well for ten minutes is restarted at once when it fails again, one that did not is not", async () => {
	const cluster = connect();
	await cluster.look(0);
	cluster.state.mends = true;
	const fails = () => {
		cluster.state.tasks = ["java.io.EOFException: gone"];
	};
	fails();
	expect(await restartsWithin(cluster, 0, 1)).toEqual([0]);
	fails();
	expect(await restartsWithin(cluster, 1.5 * MINUTE, 8)).toEqual([0.5]);
	await cluster.look(13 * MINUTE);
	fails();
	expect(await restartsWithin(cluster, 13 * MINUTE, 3)).toEqual([0]);
});

test("a connector that says RUNNING while one of its tasks has failed is not ready, and the cause is told without the password", async () => {
	const cluster = connect();
	await cluster.look(0);
	cluster.state.tasks = [
		undefined,
		`org.apache.kafka.connect.errors.ConnectException: wrapped
	at io.debezium.Engine.run(Engine.java:1)
Caused by: com.mongodb.MongoSecurityException: p@ss is wrong in ${URI}`,
	];
	const told = await cluster.look(1_000);
	expect(told).toMatchObject({
		ready: false,
		terminal: false,
		reason: "TaskFailed",
		message: expect.stringContaining(
			"data.shop: task 1 failed: com.mongodb.MongoSecurityException: *** is wrong in ***; restarted 1 times, next at 1970-01-01T00:02:01Z",
		),
		connector: { state: "RUNNING", tasks: [{ id: 0 }, { id: 1 }] },
	});
	expect(JSON.stringify(told)).not.toMatch(/p@ss|p%40ss/);
});

test("a connector that was changed by hand is put back after it was validated, one that is as wanted is left alone", async () => {
	const cluster = connect();
	await cluster.look(0);
	expect(cluster.calls).toEqual(["validate", "put"]);
	const made = cluster.state.config;
	await cluster.look(1_000);
	expect(cluster.calls).toHaveLength(2);
	for (const drifted of [
		{ ...made, "poll.interval.ms": "1" },
		{ ...made, "errors.tolerance": "all" },
	]) {
		cluster.state.config = drifted;
		expect(await cluster.look(2_000)).toMatchObject({ ready: true });
		expect(cluster.state.config).toEqual(made);
	}
	expect(cluster.calls).toHaveLength(6);
});

test("a configuration that Connect rejects is not put over the one that runs", async () => {
	const cluster = connect();
	await cluster.look(0);
	const made = cluster.state.config;
	cluster.state.validation = {
		kind: "invalid",
		errors: [{ field: "capture.mode", message: "Value must be one of …" }],
	};
	const outcome = await cluster.look(
		1_000,
		pipeline({ source: { config: { "capture.mode": "sideways" } } }),
	);
	expect(outcome).toMatchObject({
		ready: false,
		terminal: true,
		reason: "ConnectorRejected",
		message: expect.stringContaining("capture.mode=sideways: Value must be"),
	});
	expect(cluster.state.config).toBe(made);
});

test.each([
	"org.apache.kafka.connect.errors.ConnectException: The connector is trying to read change stream starting at …, but this is no longer available on the server.",
	"com.mongodb.MongoQueryException: Error 286: Resume of change stream was not possible, as the resume point may no longer be in the oplog.",
	"org.postgresql.util.PSQLException: ERROR: requested WAL segment 000000010000000000000001 has already been removed",
	'org.postgresql.util.PSQLException: ERROR: can no longer get changes from replication slot "x"',
	"java.io.IOException: Could not find first log file name in binary log index file",
])("a history that is lost is not restarted for ever: %s", async (trace) => {
	const cluster = connect();
	await cluster.look(0);
	cluster.state.tasks = [trace];
	expect(await restartsWithin(cluster, 0, 120)).toEqual([]);
	expect(await cluster.look(121 * MINUTE)).toMatchObject({
		terminal: true,
		reason: "HistoryLost",
		message: expect.stringContaining(
			"kubectl cdc resnapshot shop --all -n data",
		),
	});
});
