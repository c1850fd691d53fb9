import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { vectorOf } from "../src/columnar/literal.ts";
import { field, struct } from "../src/columnar/types.ts";
import type { Batch } from "../src/columnar/vector.ts";
import { commit } from "../src/delta/commit.ts";
import { newTable } from "../src/delta/create.ts";
import type { Engine } from "../src/delta/engine.ts";
import { loadSnapshot, type Snapshot } from "../src/delta/snapshot.ts";
import { stageFiles } from "../src/delta/stage.ts";
import { openStore, storageCredentials } from "../src/storage/open.ts";

/** Appends of one row, each a file and a commit: `commit-worker.ts LOCATION COUNT CHECKPOINT_INTERVAL`. */
const [location = "", count = "", interval = ""] = process.argv.slice(2);
const engine: Engine = {
	store: openStore(location, storageCredentials(process.env)),
	now: Date.now,
	uuid: randomUUID,
	sleep: (ms) => sleep(ms),
	random: Math.random,
};
const schema = struct(
	field("id", "long"),
	field("name", "string"),
	field("amount", "double"),
);
const row: Batch = {
	schema,
	length: 1,
	columns: [
		vectorOf("long", [1n]),
		vectorOf("string", ["x"]),
		vectorOf("double", [1.5]),
	],
};

let table = (await loadSnapshot(engine)) ?? (await create());
table = await append(table);
process.stdout.write("ready\n");
await new Promise((go) => process.stdin.once("data", go));
const started = performance.now();
const before = process.cpuUsage();
for (let i = 0; i < Number(count); i++) table = await append(table);
const { user, system } = process.cpuUsage(before);
process.stdout.write(
	`${JSON.stringify({
		seconds: (performance.now() - started) / 1000,
		cpuSeconds: (user + system) / 1e6,
		peakRss: process.resourceUsage().maxRSS * 1024,
		errors: 0,
	})}\n`,
);
process.stdin.destroy();

async function create(): Promise<Snapshot> {
	const configuration = {
		"delta.checkpointInterval": interval,
	};
	const outcome = await commit(engine, {
		base: undefined,
		plan: (found) =>
			found === undefined
				? {
						kind: "commit",
						actions: newTable({ schema, configuration }, engine),
						info: { operation: "CREATE TABLE" },
					}
				: { kind: "abandon", reason: "it is there" },
	});
	if (outcome.snapshot === undefined) throw new Error(outcome.kind);
	return outcome.snapshot;
}

async function append(base: Snapshot): Promise<Snapshot> {
	const [staged] = await stageFiles(engine, base, row);
	if (staged === undefined) throw new Error("no file was staged");
	const outcome = await commit(engine, {
		base,
		maxAttempts: 1000,
		plan: () => ({
			kind: "commit",
			actions: [{ add: staged.add }],
			info: { operation: "WRITE", isBlindAppend: true },
		}),
	});
	if (outcome.kind !== "committed") throw new Error(outcome.kind);
	return outcome.snapshot;
}
