import { deepStrictEqual, ok } from "node:assert/strict";
import { valueAt } from "../../../src/columnar/value.ts";
import { alterTable } from "../../../src/delta/alter.ts";
import { readTable } from "../../../src/delta/scan.ts";
import {
	loadSnapshot,
	readCommit,
	refreshSnapshot,
	type Snapshot,
} from "../../../src/delta/snapshot.ts";
import type { Logger } from "../../../src/observe/log.ts";
import type { WriterMetrics } from "../../../src/observe/metrics.ts";
import type { WriterConfig } from "../../../src/writer/config.ts";
import { replay } from "../../../src/writer/replay.ts";
import {
	type Mutation,
	PARTITIONS,
	Process,
	reader,
	type Scale,
	World,
} from "./simulated-world.ts";

/** How much more often trouble comes while a commit is under way. */
const TENSE = 1.5;

interface Sent {
	readonly id: number;
	/** `undefined` for a delete. */
	readonly n: number | undefined;
	readonly partition: number;
	readonly key: Uint8Array;
	readonly value: Uint8Array;
}

interface LoggedChange {
	readonly topic: string;
	readonly place: string;
	readonly id: number;
	/** `undefined` for a delete. */
	readonly n: number | undefined;
}

type Model = {
	/** `topic/partition/offset` of every record that is a change. */
	readonly changes: Set<string>;
	readonly poison: Set<string>;
	/** Every change with its place, repetitions too. */
	readonly log: LoggedChange[];
	/** The greatest `n` that was sent. */
	newest: number;
	/** What Debezium sent of each topic, in order. */
	readonly sent: Map<string, Sent[]>;
	/** Places of what Debezium sent again. */
	readonly again: Set<string>;
	/** The source's rows, by topic and key. */
	readonly rows: Map<string, Map<number, number>>;
};

function produce(world: World, model: Model, n: number): void {
	const { random, kafka, scale } = world;
	const topic = oneOf(random, scale.topics);
	const id = Math.floor(random() * scale.keys);
	const partition = id % PARTITIONS;
	const rows = model.rows.get(topic) ?? new Map<number, number>();
	model.rows.set(topic, rows);
	const place = `${topic}/${partition}/${kafka.nextOffset(topic, partition)}`;
	if (random() < 0.04) {
		kafka.produce(topic, partition, null, Buffer.from("{not json"));
		model.poison.add(place);
		return;
	}
	model.changes.add(place);
	const gone = rows.has(id) && random() < 0.25;
	if (gone) rows.delete(id);
	else rows.set(id, n);
	const n1 = gone ? undefined : n;
	model.newest = n;
	model.log.push({ topic, place, id, n: n1 });
	const sent = {
		...{ id, n: n1 },
		partition,
		key: Buffer.from(JSON.stringify({ id })),
		value: Buffer.from(
			JSON.stringify({
				op: gone ? "d" : "u",
				before: gone ? { id } : null,
				after: gone ? null : { id, n },
				source: { ts_ms: 1, lsn: n },
				ts_ms: 2,
			}),
		),
	};
	model.sent.set(topic, [...(model.sent.get(topic) ?? []), sent]);
	kafka.produce(topic, partition, sent.key, sent.value);
}

/** Debezium starts anew, from an offset that it stored a while ago. */
function restartDebezium(world: World, model: Model): void {
	const { random, kafka } = world;
	for (const [topic, sent] of model.sent) {
		const from = Math.floor(random() * sent.length);
		for (const { partition, key, value, id, n } of sent.slice(from)) {
			const offset = kafka.nextOffset(topic, partition);
			const place = `${topic}/${partition}/${offset}`;
			model.again.add(place);
			model.log.push({ topic, place, id, n });
			kafka.produce(topic, partition, key, value);
		}
	}
}

/**
 * Someone adds a constraint to a table that writers write, which some changes to come will break. It is
 * dropped once calm has come: decision 9 tells what dropping it beside a zombie may do.
 */
async function turnConstraint(world: World, model: Model): Promise<void> {
	const topic = oneOf(world.random, world.scale.topics);
	const table = oneOf(world.random, tablesOf(topic));
	const engine = reader(world, table);
	const snapshot = await newest(world, table);
	if (!snapshot?.schema.fields.some(({ name }) => name === "n")) return;
	if ("delta.constraints.third" in snapshot.metadata.configuration) return;
	world.constrained = true;
	await alterTable(engine, snapshot, {
		kind: "add-constraint",
		name: "third",
		expression: `n IS NULL OR n <= ${model.newest} OR n % 3 <> 0`,
	});
}

function oneOf<T>(random: () => number, all: readonly T[]): T {
	return all[Math.floor(random() * all.length)] as T;
}

/** A mirror, and its history. */
function tablesOf(topic: string): [string, string] {
	const path = topic.split(".").at(-1) ?? "";
	return [path, `${path}_history`];
}

/**
 * Writers consume two topics into mirrors and histories while processes are killed between any two
 * operations, members of the group become zombies, partitions move, the store fails and loses
 * responses; then calm comes, and everything has to be there, once.
 */
export async function simulate(
	seed: number,
	shared: { readonly log: Logger; readonly metrics: WriterMetrics },
	mutation?: Mutation,
): Promise<void> {
	const world = new World(seed);
	const { random, kafka, scale } = world;
	for (const topic of scale.topics) kafka.createTopic(topic, PARTITIONS);
	const model: Model = {
		changes: new Set(),
		poison: new Set(),
		log: [],
		newest: 0,
		sent: new Map(),
		again: new Set(),
		rows: new Map(),
	};
	const config = configOf(random, scale);
	const start = (): Process => {
		const process = new Process(world, { ...shared, config, mutation });
		process.handle.finished.catch((error: unknown) => {
			if (!process.dead) failure ??= error;
		});
		return process;
	};
	let failure: unknown;
	let processes = [start(), start()];
	let produced = 0;
	const quiet = Math.floor(scale.quiet * (0.4 + 0.6 * random()));
	for (
		let steps = 0;
		produced < scale.records || steps < scale.steps;
		steps++
	) {
		if (produced < scale.records && random() < scale.rate)
			produce(world, model, ++produced);
		const harm = scale.trouble * (world.tense ? TENSE : 1);
		const dice = steps < quiet ? 1 : random() / harm;
		if (dice < 0.004) {
			const victim = processes[Math.floor(random() * processes.length)];
			victim?.kill();
			kafka.dropDead();
			processes = processes.filter(({ dead }) => !dead);
			processes.push(start());
		} else if (dice < 0.005) restartDebezium(world, model);
		else if (dice < 0.007) kafka.makeZombie();
		else if (dice < 0.01) kafka.wakeZombies();
		else if (dice < 0.012) kafka.rebalance();
		else if (dice < 0.018 && seed % 2 === 0) await turnConstraint(world, model);
		await world.step();
		if (failure !== undefined) throw failure;
	}
	world.calm = true;
	kafka.wakeZombies();
	for (let steps = 0; !(await settled(world, model)); steps++) {
		if (failure !== undefined) throw failure;
		ok(steps < 300, `seed ${seed}: the tables never got everything`);
		for (let i = 0; i < 60; i++) await world.step();
	}
	await check(world, model, `seed ${seed}`);
	if (world.constrained || scale.replays)
		await replayAll(world, model, config, `seed ${seed}`);
	for (const process of processes) process.kill();
}

function configOf(random: () => number, scale: Scale): WriterConfig {
	return {
		pipeline: "default.shop",
		source: "postgresql",
		kafka: {
			brokers: [],
			groupId: "group",
			topics: /^shop\..*$/,
			topicPrefix: "shop",
			fromBeginning: true,
			onPositionLost: "stop",
			sessionTimeoutMs: 10_000,
			ssl: false,
			sasl: undefined,
		},
		location: "",
		credentials: {},
		tablePath: "{table}",
		writeMode: "upsert",
		history: true,
		deletes: "hard",
		partitionBy: undefined,
		batch: {
			maxRows: 1 + Math.floor(random() * scale.maxRows),
			maxBytes: 1e6,
			maxDelayMs: Math.floor(scale.maxDelayMs * (0.1 + 0.9 * random())),
			maxTotalBytes: random() < 0.3 ? 2000 : 1e8,
		},
		port: undefined,
	};
}

/** A table as it is now, from what was known of it. */
async function newest(
	world: World,
	path: string,
): Promise<Snapshot | undefined> {
	const engine = reader(world, path);
	const known = world.snapshots.get(path);
	const snapshot =
		known === undefined
			? await loadSnapshot(engine)
			: await refreshSnapshot(engine, known);
	if (snapshot !== undefined) world.snapshots.set(path, snapshot);
	return snapshot;
}

async function rowsOf(
	world: World,
	path: string,
	columns: readonly string[],
): Promise<string[]> {
	const engine = reader(world, path);
	const snapshot = await newest(world, path);
	if (snapshot === undefined) return [];
	const rows: string[] = [];
	for await (const batch of readTable(engine, snapshot, { columns }))
		for (let i = 0; i < batch.length; i++)
			rows.push(
				columns
					.map((name) => {
						const at = batch.schema.fields.findIndex(
							(field) => field.name === name,
						);
						const type = batch.schema.fields[at]?.type ?? "void";
						const vector = batch.columns[at];
						return vector === undefined
							? "?"
							: String(valueAt(vector, type, i));
					})
					.join("/"),
			);
	return rows.sort();
}

const PLACE = ["_kafka_topic", "_kafka_partition", "_kafka_offset"];
const LETTER = ["target_table", "topic", "partition", "offset"];

async function settled(world: World, model: Model): Promise<boolean> {
	for (const topic of world.scale.topics) {
		const [mirror, history] = tablesOf(topic);
		for (const table of [mirror, history]) {
			// A history is complete without repetitions; a mirror runs through them.
			const wanted = [
				...model.changes,
				...(table === mirror ? model.again : []),
			].filter((place) => place.startsWith(topic));
			const snapshot = await newest(world, table);
			for (let partition = 0; partition < PARTITIONS; partition++) {
				const last = Math.max(
					-1,
					...wanted
						.filter((place) => place.startsWith(`${topic}/${partition}/`))
						.map((place) => Number(place.split("/").at(-1))),
				);
				const at = [...(snapshot?.txns.values() ?? [])]
					.filter(({ appId }) => appId.endsWith(`/${partition}`))
					.map(({ version }) => version);
				if (Math.max(-1, ...at) < last) return false;
			}
		}
	}
	if (model.poison.size === 0) return true;
	const codes = await rowsOf(world, "_dead_letters", ["error_code"]);
	// A mirror and a history, each with its own.
	return (
		codes.filter((code) => code === "JSON_INVALID").length >=
		2 * model.poison.size
	);
}

/** Each record is a row or a dead letter of each of its tables, once, and never both. */
async function check(world: World, model: Model, note: string): Promise<void> {
	// From what is stored, and nothing else.
	world.snapshots.clear();
	const letters = new Map<string, string[]>();
	for (const letter of await rowsOf(world, "_dead_letters", LETTER)) {
		const [table = "", ...place] = letter.split("/");
		letters.set(table, [...(letters.get(table) ?? []), place.join("/")]);
	}
	for (const topic of world.scale.topics) {
		const [mirror, history] = tablesOf(topic);
		const of = (places: Iterable<string>): string[] =>
			[...places].filter((place) => place.startsWith(topic)).sort();
		const refused = (table: string): string[] => letters.get(table) ?? [];
		deepStrictEqual(
			[...(await rowsOf(world, history, PLACE)), ...refused(history)].sort(),
			of([...model.changes, ...model.poison]),
			`${note}: the history of ${topic} and its dead letters`,
		);
		const sent = new Set([
			...model.log.map(({ place }) => place),
			...model.poison,
		]);
		deepStrictEqual(
			refused(mirror).filter((place) => !sent.has(place)),
			[],
			`${note}: dead letters of the mirror of ${topic}`,
		);
		const out = new Set(refused(mirror));
		deepStrictEqual(
			out.size,
			refused(mirror).length,
			`${note}: dead letters of the mirror of ${topic} that are there twice`,
		);
		for (const place of of(model.poison))
			ok(out.has(place), `${note}: ${place} is no dead letter of ${mirror}`);
		const rows = new Map<number, number | undefined>();
		for (const change of model.log)
			if (change.topic === topic && !out.has(change.place))
				rows.set(change.id, change.n);
		deepStrictEqual(
			await rowsOf(world, mirror, ["id", "n"]),
			[...rows]
				.filter(([, n]) => n !== undefined)
				.map(([id, n]) => `${id}/${n}`)
				.sort(),
			`${note}: the mirror of ${topic}`,
		);
	}
	for (const path of world.buckets.keys()) {
		const engine = reader(world, path);
		const last = (await newest(world, path))?.version ?? -1;
		const positions = new Map<string, number>();
		for (let version = 0; version <= last; version++)
			for (const action of (await readCommit(engine, version)) ?? [])
				if ("txn" in action) {
					const { appId, version: at } = action.txn;
					ok(
						at > (positions.get(appId) ?? -1),
						`${note}: ${path}, version ${version}: ${appId} goes back to ${at}`,
					);
					positions.set(appId, at);
				}
	}
}

/** Once the constraints are gone, a replay brings in what they kept out, and overwrites nothing newer. */
async function replayAll(
	world: World,
	model: Model,
	config: WriterConfig,
	note: string,
): Promise<void> {
	for (const table of world.scale.topics.flatMap(tablesOf)) {
		const engine = reader(world, table);
		const snapshot = await newest(world, table);
		if (snapshot === undefined) continue;
		if ("delta.constraints.third" in snapshot.metadata.configuration)
			await alterTable(engine, snapshot, {
				kind: "drop-constraint",
				name: "third",
			});
	}
	const options = { config, engineAt: (path: string) => reader(world, path) };
	// Of two letters of one row the older one is of no use.
	for await (const { letter, outcome } of replay(options))
		ok(
			(letter.code === "JSON_INVALID"
				? ["failed", "waiting"]
				: ["row", "superseded"]
			).includes(outcome),
			`${note}: ${letter.table}, ${letter.offset}: ${outcome}`,
		);
	for (const topic of world.scale.topics) {
		const [mirror, history] = tablesOf(topic);
		deepStrictEqual(
			await rowsOf(world, history, PLACE),
			[...model.changes].filter((place) => place.startsWith(topic)).sort(),
			`${note}: the history of ${topic} after a replay`,
		);
		deepStrictEqual(
			await rowsOf(world, mirror, ["id", "n"]),
			[...(model.rows.get(topic) ?? [])].map(([id, n]) => `${id}/${n}`).sort(),
			`${note}: the mirror of ${topic} after a replay`,
		);
	}
}
