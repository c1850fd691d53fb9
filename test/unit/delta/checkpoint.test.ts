import { expect, test } from "vitest";
import type { Action, AddFile } from "../../../src/delta/actions.ts";
import { writeCheckpoint } from "../../../src/delta/checkpoint.ts";
import {
	readCheckpoint,
	readSidecars,
} from "../../../src/delta/checkpoint-read.ts";
import { LayeredMap } from "../../../src/delta/keyed-map.ts";
import { jsonChecksum } from "../../../src/delta/last-checkpoint.ts";
import { listLog } from "../../../src/delta/listing.ts";
import {
	commitPath,
	LAST_CHECKPOINT,
	parseLogPath,
	serialiseCommit,
} from "../../../src/delta/log.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { generator } from "./random.ts";
import { add, memoryEngine, plain, remove, write } from "./table.ts";

/** Random commits: files come, go, get vectors and tags; txns and domains change. */
async function grow(
	engine: ReturnType<typeof memoryEngine>,
	random: () => number,
	commits: number,
	configuration: Record<string, string>,
): Promise<Snapshot> {
	let snapshot: Snapshot | undefined;
	for (let i = 0; i < commits; i++) {
		const actions: Action[] = [];
		const used = new Set<string>();
		for (const [, file] of snapshot?.files.entries() ?? []) {
			if (random() < 0.8 || used.has(file.path)) continue;
			used.add(file.path);
			const { deletionVector, ...rest } = file;
			actions.push({
				remove: {
					path: file.path,
					dataChange: true,
					deletionTimestamp: engine.now(),
					extendedFileMetadata: true,
					partitionValues: file.partitionValues,
					size: file.size,
					...(deletionVector === undefined ? {} : { deletionVector }),
				},
			});
			if (random() < 0.5)
				actions.push({
					add: {
						...(rest as AddFile),
						dataChange: true,
						deletionVector: {
							storageType: "u",
							pathOrInlineDv: `ab^-aqEH.-t@S}K{vb[*k^${i % 10}`,
							offset: i,
							sizeInBytes: 40,
							cardinality: 6,
						},
					},
				});
		}
		for (let n = 0; n < 1 + random() * 5; n++)
			actions.push(
				add(`p%C3%A4rt-${i}-${n}${random() < 0.3 ? "%20x" : ""}.parquet`, {
					partitionValues: { day: random() < 0.2 ? null : "2026-11-21" },
					stats: `{"numRecords":${Math.floor(random() * 1e6)},"minValues":{"id":9007199254740993}}`,
					...(random() < 0.3 ? { tags: { shard: String(n) } } : {}),
				}),
			);
		actions.push({ txn: { appId: `app ${i % 3}`, version: i } });
		if (random() < 0.3)
			actions.push({
				domainMetadata: {
					domain: `tributary.${i % 2}`,
					configuration: '{"a":1}',
					removed: random() < 0.4,
				},
			});
		snapshot = await write(engine, snapshot, actions, configuration);
	}
	if (snapshot === undefined) throw new Error("no commits");
	return snapshot;
}

const POLICIES: Record<string, Record<string, string>> = {
	classic: { "delta.checkpointInterval": "7" },
	v2: { "delta.checkpointInterval": "7", "delta.checkpointPolicy": "v2" },
};

for (const [policy, configuration] of Object.entries(POLICIES))
	test(`a ${policy} checkpoint that tells another state than the log it stands for`, async () => {
		for (let seed = 1; seed <= 12; seed++) {
			const engine = memoryEngine();
			const random = generator(seed * 7919);
			const last = await grow(engine, random, 30, configuration);
			expect(engine.failures, `seed ${seed}`).toEqual([]);
			const loaded = await loadSnapshot(engine);
			expect(loaded?.checkpoint?.version, `seed ${seed}`).toBe(28);
			expect(plain(loaded), `seed ${seed}`).toEqual(plain(last));
			expect(loaded?.files.size).toBe([...last.files.values()].length);
			for (const [key, file] of last.files.entries())
				expect(loaded?.files.get(key), `seed ${seed}`).toMatchObject({
					path: file.path,
					stats: file.stats,
				});
			for (const path of [...engine.objects.keys()])
				if (path.includes("checkpoint")) engine.objects.delete(path);
			expect(plain(await loadSnapshot(engine)), `seed ${seed}`).toEqual(
				plain(last),
			);
		}
	});

test("a V2 checkpoint that writes again what did not change", async () => {
	const engine = memoryEngine();
	const files = Array.from({ length: 100 }, (_, i) => add(`f${i}.parquet`));
	let snapshot = await write(engine, undefined, files, {
		"delta.checkpointInterval": "1000",
		"delta.checkpointPolicy": "v2",
	});
	snapshot = await writeCheckpoint(engine, snapshot, { sidecarActions: 20 });
	const sidecars = async () => {
		const { checkpoints } = await listLog(engine);
		const newest = checkpoints.at(-1);
		if (newest === undefined) throw new Error("no checkpoint");
		return new Set(await readSidecars(engine, newest));
	};
	const first = await sidecars();
	expect(first.size).toBe(5);
	snapshot = await write(engine, snapshot, [
		remove("f3.parquet", engine.now()),
		add("new.parquet"),
	]);
	// From memory and from a cold start the same files are kept.
	for (const state of [snapshot, await loadSnapshot(engine)]) {
		if (state === undefined) throw new Error("no table");
		await writeCheckpoint(engine, state, { sidecarActions: 20 });
		const second = await sidecars();
		expect([...second].filter((path) => first.has(path)).length).toBe(4);
		expect(plain(await loadSnapshot(engine))).toEqual(plain(snapshot));
	}
});

test("a damaged, incomplete or missing checkpoint that keeps a table from being read", async () => {
	const engine = memoryEngine();
	const last = await grow(engine, generator(5), 30, {
		"delta.checkpointInterval": "7",
	});
	const good = plain(last);
	const newest = [...engine.objects.keys()]
		.filter((path) => path.includes("28.checkpoint"))
		.at(0);
	if (newest === undefined) throw new Error("no checkpoint");
	const body = engine.objects.get(newest)?.body ?? new Uint8Array();
	await engine.store.put(newest, body.subarray(0, body.length - 30));
	expect(plain(await loadSnapshot(engine))).toEqual(good);
	await engine.store.put(newest, new Uint8Array(3));
	expect(plain(await loadSnapshot(engine))).toEqual(good);
	engine.objects.delete(newest);
	expect(plain(await loadSnapshot(engine))).toEqual(good);
	// One part of two is no checkpoint.
	await engine.store.put(
		newest.replace(
			"checkpoint.parquet",
			"checkpoint.0000000001.0000000002.parquet",
		),
		body,
	);
	expect(plain(await loadSnapshot(engine))).toEqual(good);
	for (const hint of ["{", '{"version":99}', '{"version":"x"}', ""]) {
		await engine.store.put(LAST_CHECKPOINT, Buffer.from(hint));
		expect(plain(await loadSnapshot(engine)), hint).toEqual(good);
	}
	// Once the log before it is gone, its damage has to be told.
	await engine.store.put(newest, new Uint8Array(30));
	for (const path of [...engine.objects.keys()])
		if (/\/000000000000000000[01]\d\./.test(path) || path.includes("21.check"))
			engine.objects.delete(path);
	await expect(loadSnapshot(engine)).rejects.toMatchObject({
		code: "DELTA_LOG_INVALID",
	});
});

test("a multi-part or JSON checkpoint of another writer that is not read", async () => {
	const engine = memoryEngine();
	const snapshot = await write(
		engine,
		undefined,
		[add("a.parquet"), add("b.parquet"), { txn: { appId: "x", version: 4 } }],
		{ "delta.checkpointPolicy": "v2" },
	);
	const wanted = plain(snapshot);
	const classic = await write(engine, snapshot, []);
	const path = `_delta_log/${String(1).padStart(20, "0")}.checkpoint.80a083e8-7026-4e79-81be-64bd76c43a11.json`;
	await engine.store.put(
		path,
		serialiseCommit([
			{ checkpointMetadata: { version: 1 } },
			{ protocol: classic.protocol },
			{ metaData: classic.metadata },
			...[...classic.txns.values()].map((txn) => ({ txn })),
			...[...classic.files.values()].map((file) => ({
				add: { ...file, dataChange: false },
			})),
		]),
	);
	for (let version = 0; version < 1; version++)
		engine.objects.delete(commitPath(version));
	expect(plain(await loadSnapshot(engine))).toEqual({ ...wanted, version: 1 });
});

test("checkpoint bytes cut or flipped anywhere that end in anything but a typed error or the same state", async () => {
	const engine = memoryEngine();
	const last = await grow(engine, generator(11), 15, {
		"delta.checkpointInterval": "7",
	});
	const { checkpoints } = await listLog(engine);
	const parts = checkpoints.at(-1);
	const path = parts?.paths[0];
	if (parts === undefined || path === undefined) throw new Error("none");
	const body = engine.objects.get(path)?.body ?? new Uint8Array();
	const seed = 4242;
	const random = generator(seed);
	const wanted = plain(await loadSnapshot(engine));
	expect(wanted).toEqual(plain(last));
	let refused = 0;
	for (let round = 0; round < 400; round++) {
		const damaged = body.slice(
			0,
			random() < 0.3 ? Math.floor(random() * body.length) : body.length,
		);
		for (let n = 0; n < 1 + random() * 4 && damaged.length > 0; n++) {
			const at = Math.floor(random() * damaged.length);
			damaged[at] = Math.floor(random() * 256);
		}
		await engine.store.put(path, damaged);
		try {
			const checkpoint = await readCheckpoint(engine, parts);
			for (const file of checkpoint.adds.values())
				expect(typeof file.path).toBe("string");
		} catch (error) {
			refused++;
			expect(error, `seed ${seed}, round ${round}`).toMatchObject({
				code: expect.stringMatching(/^(DELTA|PARQUET)_/),
			});
		}
	}
	expect(refused).toBeGreaterThan(50);
});

test("a layered map that differs from a map", () => {
	const seed = 99;
	const random = generator(seed);
	for (let round = 0; round < 200; round++) {
		const model = new Map<string, number>();
		for (let i = 0; i < 20; i++) model.set(`k${i}`, i);
		let map = LayeredMap.over<number>(new Map(model));
		const older: [LayeredMap<number>, Map<string, number>][] = [];
		for (let step = 0; step < 30; step++) {
			const changes = new Map<string, number | undefined>();
			for (let n = 0; n < random() * 6; n++)
				changes.set(
					`k${Math.floor(random() * 40)}`,
					random() < 0.4 ? undefined : step,
				);
			older.push([map, new Map(model)]);
			if (random() < 0.5) void map.size;
			map = map.with(changes);
			for (const [key, value] of changes)
				if (value === undefined) model.delete(key);
				else model.set(key, value);
		}
		older.push([map, model]);
		for (const [one, expected] of older) {
			expect(one.size, `seed ${seed}`).toBe(expected.size);
			expect(new Map(one.entries())).toEqual(expected);
			expect([...one.values()].length).toBe(expected.size);
			for (let i = 0; i < 40; i++) {
				expect(one.get(`k${i}`)).toBe(expected.get(`k${i}`));
				expect(one.has(`k${i}`)).toBe(expected.has(`k${i}`));
			}
		}
	}
});

test("the JSON checksum has the value that the protocol gives for its example", () => {
	expect(
		jsonChecksum(
			`{"k0":"'v 0'", "checksum": "adsaskfljadfkjadfkj", "k1":{"k2": 2, "k3": ["v3", [1, 2], {"k4": "v4", "k5": ["v5", "v6", "v7"]}]}}`,
		),
	).toBe("6a92d155a59bf2eecbd4b4ec7fd1f875");
});

test("log files that are taken for others", () => {
	const name = (text: string) => parseLogPath(`_delta_log/${text}`);
	const v = "00000000000000000010";
	expect(name(`${v}.json`)).toEqual({ kind: "commit", version: 10 });
	expect(name(`${v}.crc`)).toEqual({ kind: "checksum", version: 10 });
	expect(name(`${v}.00000000000000000020.compacted.json`)).toEqual({
		kind: "compacted",
		version: 10,
		to: 20,
	});
	expect(name(`${v}.checkpoint.parquet`)).toMatchObject({ parts: 1 });
	expect(name(`${v}.checkpoint.0000000001.0000000003.parquet`)).toMatchObject({
		part: 1,
		parts: 3,
	});
	for (const other of [
		`${v}.checkpoint.json`,
		`${v}.json.tmp`,
		`.${v}.json`,
		`${v}.00000000000000000010.compacted.json`,
		"10.json",
		`_staged_commits/${v}.80a083e8-7026-4e79-81be-64bd76c43a11.json`,
		"_last_checkpoint",
	])
		expect(name(other), other).toBeUndefined();
});
