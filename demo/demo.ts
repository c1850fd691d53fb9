import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { tableText } from "../src/cli/table/text-table.ts";
import {
	freePorts,
	memoryOf,
	type Running,
	startConnect,
	startKafka,
	startMongoDouble,
	startPostgres,
	startS3,
} from "../stack/components.ts";
import { difference, type Lake, replayed, tableRows } from "./lake.ts";
import { mongoOrders, postgresInvoices, type Source } from "./source.ts";

const ROOT = resolve(import.meta.dirname, "..");
const env = process.env;
const exits = env.DEMO_EXIT === "1";
const SEED = Number(env.DEMO_SEED ?? 1000);
const STEPS = Number(env.DEMO_STEPS ?? 15);
const CAUGHT_UP_MS = 120_000;

const started = performance.now();
const say = (text: string): void => {
	process.stdout.write(
		`${`${((performance.now() - started) / 1000).toFixed(1)} s`.padStart(8)}  ${text}\n`,
	);
};
const running: Running[] = [];
const sources: Source[] = [];
let leaving = false;

async function leave(status: number): Promise<never> {
	leaving = true;
	for (const source of sources)
		await source.close().catch((error: unknown) => say(String(error)));
	for (const component of running.reverse()) await component.stop();
	process.exit(status);
}
for (const signal of ["SIGINT", "SIGTERM"] as const)
	process.once(signal, () => {
		say("stopping everything");
		void leave(0);
	});

const dir = join(ROOT, ".tributary", "demo");
rmSync(dir, { recursive: true, force: true });
mkdirSync(dir, { recursive: true });
chmodSync(dir, 0o755);

async function component<R extends Running>(
	what: string,
	start: Promise<R>,
): Promise<R> {
	const component = await start;
	running.push(component);
	say(`${what} (process ${component.pid})`);
	return component;
}

try {
	say(`logs are in ${join(dir, "log")}`);
	const lake = await lakeOf();
	const bootstrap =
		env.KAFKA_BOOTSTRAP_SERVERS ??
		(await component("Kafka", startKafka({ dir }))).bootstrap;
	const [connectUrl, mongoUri, postgresUri] = await Promise.all([
		env.KAFKA_CONNECT_URL ??
			component(
				"Kafka Connect with Debezium",
				startConnect({ dir, bootstrap }),
			).then(({ url }) => url),
		env.MONGODB_URI ??
			component(
				"MongoDB test double, in memory (MONGODB_URI=… takes yours)",
				startMongoDouble({ dir }),
			).then(({ uri }) => uri),
		env.POSTGRES_URI ??
			component("PostgreSQL", startPostgres({ dir })).then(({ uri }) => uri),
	]);
	sources.push(
		await mongoOrders(mongoUri, SEED),
		await postgresInvoices(postgresUri, SEED),
	);
	say(`${SEED} documents and ${SEED} rows are in the sources`);

	const [port = 0] = await freePorts(1);
	const seeded = performance.now();
	const child = spawn(
		join(ROOT, "bin/tributary"),
		[
			"run",
			"-f",
			join(ROOT, "manifests/samples/quickstart.yaml"),
			"--port",
			String(port),
		],
		{
			env: {
				...env,
				KAFKA_BOOTSTRAP_SERVERS: bootstrap,
				KAFKA_CONNECT_URL: connectUrl,
				TRIBUTARY_SINK_LOCATION: lake.location,
				TRIBUTARY_SECRET_SHOP_MONGO_URI: mongoUri,
				TRIBUTARY_SECRET_BILLING_POSTGRES_URI: postgresUri,
				TRIBUTARY_SECRET_LAKE_AWS_ACCESS_KEY_ID:
					lake.credentials.accessKeyId ?? "none",
				TRIBUTARY_SECRET_LAKE_AWS_SECRET_ACCESS_KEY:
					lake.credentials.secretAccessKey ?? "none",
				TRIBUTARY_SECRET_LAKE_AWS_ENDPOINT_URL: lake.credentials.endpoint ?? "",
			},
			stdio: [
				"ignore",
				"ignore",
				openSync(join(dir, "log", "tributary.log"), "a"),
			],
		},
	);
	running.push(processOf(child, join(dir, "log", "tributary.log")));
	child.once("exit", (code) => {
		if (leaving) return;
		say(
			`tributary run ended with status ${code}; its log is ${join(dir, "log", "tributary.log")}`,
		);
		void leave(1);
	});
	say("tributary run -f manifests/samples/quickstart.yaml");

	await untilEqual(lake, "the snapshot");
	say(
		`the snapshot of ${2 * SEED} rows took ${((performance.now() - seeded) / 1000).toFixed(1)} s from its start, connectors included`,
	);

	let events = 2 * SEED;
	for (let step = 0; step < STEPS; step++) {
		const before = performance.now();
		for (const source of sources) events += await source.change(step);
		say(await progress(port, events));
		await sleep(Math.max(0, 1000 - (performance.now() - before)));
	}
	const quiet = performance.now();
	await untilEqual(lake, "all changes");
	const report = await status(port);
	const settled = (performance.now() - quiet) / 1000;
	say(`equal by value ${settled.toFixed(1)} s after the last change`);
	for (const source of sources) await show(lake, source);
	look(lake);

	if (exits) {
		const p95 = Math.max(
			...Object.values(report).map((one) => one.freshnessP95Seconds ?? 0),
		);
		const result = {
			events,
			seconds: Number(((performance.now() - started) / 1000).toFixed(1)),
			freshnessP95Seconds: Number(p95.toFixed(2)),
			writerPeakRssBytes: memoryOf(child.pid ?? 0).peak,
		};
		leaving = true;
		process.stdout.write(`${JSON.stringify(result)}\n`);
		await leave(0);
	}
	say("changes go on; Ctrl-C stops everything");
	for (let step = STEPS; ; step++) {
		for (const source of sources) events += await source.change(step);
		say(await progress(port, events));
		await sleep(3000);
	}
} catch (error) {
	if (!leaving) {
		say(error instanceof Error ? error.message : String(error));
		await leave(1);
	}
}

async function lakeOf(): Promise<Lake> {
	if (env.DEMO_LAKE !== "file") {
		try {
			const s3 = await component(
				"lake: versitygw, an S3 server",
				startS3({ dir, buckets: ["lakehouse"] }),
			);
			return {
				location: "s3://lakehouse",
				credentials: {
					accessKeyId: s3.accessKeyId,
					secretAccessKey: s3.secretAccessKey,
					endpoint: s3.endpoint,
					region: s3.region,
				},
			};
		} catch (error) {
			say(
				String(error instanceof Error ? error.message.split("\n")[0] : error),
			);
		}
	}
	const folder = join(dir, "lake");
	mkdirSync(folder, { recursive: true });
	mkdirSync(join(dir, "log"), { recursive: true });
	say(`lake: the local folder ${folder}`);
	return { location: `file://${folder}`, credentials: {} };
}

/** Waits until every mirror equals its source by value, and so does the replay of its history. */
async function untilEqual(lake: Lake, what: string): Promise<void> {
	const deadline = performance.now() + CAUGHT_UP_MS;
	let last = "";
	while (performance.now() < deadline) {
		const differences: string[] = [];
		for (const source of sources) {
			const found = await compare(lake, source);
			if (found !== undefined) differences.push(`${source.name}: ${found}`);
		}
		if (differences.length === 0) return;
		last = differences.join("; ");
		await sleep(300);
	}
	throw new Error(
		`${what} did not arrive within ${CAUGHT_UP_MS / 1000} s: ${last}`,
	);
}

async function compare(
	lake: Lake,
	source: Source,
): Promise<string | undefined> {
	const mirror = await tableRows(lake, source.table);
	if (mirror === undefined) return "there is no table yet";
	const history = await tableRows(lake, `${source.table}_history`);
	if (history === undefined) return "there is no history yet";
	const rows = await source.rows();
	const key = source.table.startsWith("shop") ? "_id" : "id";
	const offsets = new Set(
		history.rows.map((row) => `${row._kafka_partition}/${row._kafka_offset}`),
	);
	if (offsets.size !== history.rows.length)
		return "a change is in the history twice";
	return (
		difference(rows, mirror.rows, key) ??
		difference(rows, [...replayed(history.rows, key).values()], key)
	);
}

async function progress(port: number, events: number): Promise<string> {
	const parts = Object.entries(await status(port)).map(([name, one]) => {
		const tables = one.tables
			.map((table) => `${table.name} v${table.version}`)
			.join(", ");
		return `${name}: ${tables}; lag ${one.lagRecords ?? "?"}; freshness P95 ${one.freshnessP95Seconds?.toFixed(1) ?? "?"} s`;
	});
	return `${events} changes made | ${parts.join(" | ")}`;
}

interface PipelineStatus {
	readonly tables: readonly {
		readonly name: string;
		readonly version: number;
	}[];
	readonly lagRecords: number | null;
	readonly freshnessP95Seconds: number | null;
}

async function status(port: number): Promise<Record<string, PipelineStatus>> {
	const response = await fetch(`http://127.0.0.1:${port}/status`);
	return (await response.json()) as Record<string, PipelineStatus>;
}

async function show(lake: Lake, source: Source): Promise<void> {
	const rows = await source.rows();
	const mirror = await tableRows(lake, source.table);
	const history = await tableRows(lake, `${source.table}_history`);
	if (mirror === undefined || history === undefined) return;
	const [id = ""] = [...rows.keys()].slice(-1);
	const key = source.table.startsWith("shop") ? "_id" : "id";
	const table = (
		title: string,
		some: readonly (Readonly<Record<string, string>> | undefined)[],
		names: readonly string[],
	): void => {
		process.stdout.write(`\n${title}\n`);
		process.stdout.write(
			tableText(
				names,
				some.map((row) => names.map((name) => row?.[name] ?? "null")),
			),
		);
	};
	const names = Object.keys(rows.get(id) ?? {}).slice(0, 6);
	table(
		`${source.name}: ${rows.size} rows in the source`,
		[rows.get(id)],
		names,
	);
	table(
		`${source.table}: ${mirror.rows.length} rows in the mirror, version ${mirror.snapshot.version}`,
		[mirror.rows.find((row) => row[key] === id)],
		names,
	);
	const changed = history.rows.find((row) => row._cdc_operation === "u");
	const of = changed?.[key];
	table(
		`${source.table}_history: ${history.rows.length} changes, version ${history.snapshot.version}; those of one row`,
		history.rows
			.filter((row) => row[key] === of)
			.sort((a, b) => Number(a._kafka_offset) - Number(b._kafka_offset))
			.slice(0, 4),
		["_cdc_operation", "_cdc_timestamp", "_kafka_offset", ...names.slice(0, 3)],
	);
}

function look(lake: Lake): void {
	const { accessKeyId, secretAccessKey, endpoint } = lake.credentials;
	const exports =
		endpoint === undefined
			? ""
			: `  export AWS_ENDPOINT_URL=${endpoint} AWS_ACCESS_KEY_ID=${accessKeyId} AWS_SECRET_ACCESS_KEY=${secretAccessKey}\n`;
	process.stdout.write(
		`\nTo look further, while the demo runs:\n${exports}  bin/tributary table read ${lake.location}/shop/orders --limit 5\n  bin/tributary table history ${lake.location}/shop/orders_history\n  bin/tributary table show ${lake.location}/billing/invoices\n\n`,
	);
}

/** A child of ours as a component, so that leaving stops it like the others. */
function processOf(child: ReturnType<typeof spawn>, logFile: string): Running {
	const ended = new Promise<void>((done) => child.once("exit", () => done()));
	return {
		name: "tributary",
		logFile,
		pid: child.pid ?? -1,
		stop: async (signal = "SIGTERM") => {
			if (child.exitCode !== null || child.signalCode !== null) return;
			child.kill(signal);
			const hard = setTimeout(() => child.kill("SIGKILL"), 20_000);
			await ended;
			clearTimeout(hard);
		},
		kill: (signal) => {
			child.kill(signal);
		},
		restart: () => Promise.reject(new Error("tributary run is not restarted")),
	};
}
