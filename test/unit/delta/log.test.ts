import { expect, test } from "vitest";
import type { Action, Protocol } from "../../../src/delta/actions.ts";
import { readChecksum } from "../../../src/delta/checksum.ts";
import { commit } from "../../../src/delta/commit.ts";
import {
	checkReadable,
	checkWritable,
	FEATURES,
} from "../../../src/delta/features.ts";
import { history, versionAt } from "../../../src/delta/history.ts";
import { checksumPath, commitPath } from "../../../src/delta/log.ts";
import { cleanUpLog } from "../../../src/delta/log-cleanup.ts";
import { writeLogCompaction } from "../../../src/delta/log-compaction.ts";
import { protocolFor, upgradedProtocol } from "../../../src/delta/protocol.ts";
import { highWaterMark } from "../../../src/delta/row-tracking.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import { loadSummary } from "../../../src/delta/summary.ts";
import { add, memoryEngine, plain, remove, SCHEMA, write } from "./table.ts";

const DAY = 86_400_000;
const NO_CHECKPOINTS = { "delta.checkpointInterval": "1000" };

async function tableOf(
	commits: readonly (readonly Action[])[],
	configuration: Record<string, string> = NO_CHECKPOINTS,
	features: readonly string[] = [],
) {
	const engine = memoryEngine();
	let snapshot: Snapshot | undefined;
	for (const actions of commits) {
		snapshot = await write(engine, snapshot, actions, configuration, features);
		engine.clock += 1000;
	}
	if (snapshot === undefined) throw new Error("no commits");
	return { engine, snapshot };
}

test("a log compaction file that changes what its commits say", async () => {
	const { engine, snapshot } = await tableOf([
		[add("a"), { txn: { appId: "x", version: 1 } }],
		[add("b")],
		[remove("a", 5), add("c"), { txn: { appId: "x", version: 2 } }],
		[remove("b", 5)],
		[add("a")],
		[{ domainMetadata: { domain: "d", configuration: "1", removed: false } }],
	]);
	const wanted = plain(snapshot);
	await writeLogCompaction(engine, 1, 4);
	await writeLogCompaction(engine, 2, 3);
	// Its commits are not read any more: they could be anything.
	for (let version = 1; version <= 3; version++)
		await engine.store.put(commitPath(version), Buffer.from("broken\n"));
	expect(plain(await loadSnapshot(engine))).toEqual(wanted);
	expect((await loadSnapshot(engine, { version: 5 }))?.version).toBe(5);
	// A version inside needs the commits.
	await expect(loadSnapshot(engine, { version: 3 })).rejects.toMatchObject({
		code: "DELTA_LOG_INVALID",
	});
	await expect(writeLogCompaction(engine, 4, 4)).rejects.toMatchObject({
		code: "DELTA_VERSION_NOT_FOUND",
	});
});

test("a broken log compaction file is passed over for its commits", async () => {
	const { engine, snapshot } = await tableOf([
		[add("a")],
		[add("b")],
		[add("c")],
	]);
	const path = await writeLogCompaction(engine, 0, 2);
	await engine.store.put(path, Buffer.from("{"));
	expect(plain(await loadSnapshot(engine))).toEqual(plain(snapshot));
});

test("a commit between two others that is missing is named, as is a version that is not there", async () => {
	const { engine } = await tableOf([[add("a")], [add("b")], [add("c")], []]);
	await expect(loadSnapshot(engine, { version: 9 })).rejects.toMatchObject({
		code: "DELTA_VERSION_NOT_FOUND",
		message: expect.stringContaining("0 to 3"),
	});
	engine.objects.delete(commitPath(2));
	await expect(loadSnapshot(engine)).rejects.toMatchObject({
		code: "DELTA_LOG_GAP",
		message: expect.stringContaining("version 2 is missing"),
	});
});

test("a commit with two of what may be there once is refused, by reader and writer", async () => {
	const { engine, snapshot } = await tableOf([[add("a")]]);
	for (const [name, line] of [
		["txn x", '{"txn":{"appId":"x","version":1}}'],
		["add b", JSON.stringify(add("b"))],
		["remove a", JSON.stringify(remove("a"))],
		["protocol", '{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}'],
		[
			"domainMetadata d",
			'{"domainMetadata":{"domain":"d","configuration":"","removed":false}}',
		],
	] as const) {
		await engine.store.put(commitPath(1), Buffer.from(`${line}\n${line}\n`));
		await expect(loadSnapshot(engine)).rejects.toMatchObject({
			code: "DELTA_LOG_INVALID",
			message: expect.stringContaining(name),
		});
		engine.objects.delete(commitPath(1));
		const action = JSON.parse(line) as Action;
		await expect(
			write(engine, snapshot, [action, action]),
		).rejects.toMatchObject({ code: "DELTA_LOG_INVALID" });
	}
	await expect(write(engine, snapshot, [remove("b")])).rejects.toMatchObject({
		message: expect.stringContaining("b, which is not in version 0"),
	});
	await expect(
		write(engine, snapshot, [remove("a"), add("a")]),
	).rejects.toMatchObject({ code: "DELTA_LOG_INVALID" });
});

test("log files with fields of the wrong type are named, nulls and unknown actions are not", async () => {
	const { engine } = await tableOf([[add("a")]]);
	const at = async (line: string) => {
		await engine.store.put(commitPath(1), Buffer.from(line));
		return await loadSnapshot(engine);
	};
	for (const line of [
		'{"add":{"path":5}}',
		'{"txn":{"appId":"x"}}',
		"[]",
		"7",
		'{"add":',
	])
		await expect(at(line), line).rejects.toMatchObject({
			code: "DELTA_LOG_INVALID",
			message: expect.stringContaining("line 1"),
		});
	const snapshot = await at(
		'{"futureAction":{"x":1}}\n\n{"add":{"path":"n","partitionValues":{},"size":1,"modificationTime":1,"dataChange":true,"deletionVector":null,"stats":null,"unknown":[1]}}\n',
	);
	expect(snapshot?.files.get("n")).not.toHaveProperty("deletionVector");
});

test("log clean-up that takes what is needed, or leaves what is not", async () => {
	const engine = memoryEngine();
	engine.clock -= engine.clock % DAY;
	let snapshot: Snapshot | undefined;
	for (let i = 0; i < 60; i++) {
		snapshot = await write(engine, snapshot, [add(`f${i}`)], {
			"delta.checkpointInterval": "10",
			"delta.logRetentionDuration": "interval 30 days",
		});
		engine.clock += DAY;
	}
	if (snapshot === undefined) throw new Error("none");
	const wanted = plain(await loadSnapshot(engine));
	await writeLogCompaction(engine, 11, 14);
	const dry = await cleanUpLog(engine, snapshot, { dryRun: true });
	// Day 60 less 30: version 30, a checkpoint, was committed then.
	expect(dry.oldest).toBe(30);
	expect(engine.objects.has(commitPath(0))).toBe(true);
	const { deleted } = await cleanUpLog(engine, snapshot);
	expect(deleted).toEqual(dry.deleted);
	expect(engine.objects.has(commitPath(29))).toBe(false);
	expect(engine.objects.has(commitPath(30))).toBe(true);
	expect(
		[...engine.objects.keys()].filter((path) => path.includes("compacted")),
	).toEqual([]);
	expect(plain(await loadSnapshot(engine))).toEqual(wanted);
	expect((await loadSnapshot(engine, { version: 30 }))?.files.size).toBe(31);
	await expect(loadSnapshot(engine, { version: 29 })).rejects.toMatchObject({
		code: "DELTA_VERSION_NOT_FOUND",
		message: expect.stringContaining("any more; its versions are 30 to 59"),
	});
	expect((await cleanUpLog(engine, snapshot)).deleted).toEqual([]);
});

test("log clean-up that ignores the table's properties or protection", async () => {
	for (const [configuration, features] of [
		[{ "delta.enableExpiredLogCleanup": "false" }, []],
		[
			{ "delta.requireCheckpointProtectionBeforeVersion": "99" },
			["checkpointProtection"],
		],
	] as const) {
		const { engine, snapshot } = await tableOf(
			Array.from({ length: 25 }, (_, i) => [add(`f${i}`)]),
			{ "delta.checkpointInterval": "10", ...configuration },
			features,
		);
		engine.clock += 90 * DAY;
		expect((await cleanUpLog(engine, snapshot)).deleted).toEqual([]);
	}
});

test("clean-up of V2 checkpoints that takes a sidecar in use", async () => {
	const engine = memoryEngine();
	let snapshot: Snapshot | undefined;
	for (let i = 0; i < 40; i++) {
		snapshot = await write(
			engine,
			snapshot,
			i % 3 === 2 ? [remove(`f${i - 2}`, engine.now())] : [add(`f${i}`)],
			{
				"delta.checkpointInterval": "5",
				"delta.checkpointPolicy": "v2",
				"delta.logRetentionDuration": "interval 5 days",
			},
		);
		engine.clock += DAY;
	}
	if (snapshot === undefined) throw new Error("none");
	const wanted = plain(await loadSnapshot(engine));
	const { deleted } = await cleanUpLog(engine, snapshot);
	expect(deleted.some((path) => path.includes("_sidecars/"))).toBe(true);
	for (let version = 35; version < 40; version++)
		await loadSnapshot(engine, { version });
	expect(plain(await loadSnapshot(engine))).toEqual(wanted);
});

test("in-commit timestamps that go back, or are not first, or start without a record of it", async () => {
	const engine = memoryEngine();
	let snapshot = await write(engine, undefined, [add("a")], NO_CHECKPOINTS);
	engine.clock -= 60_000;
	const metaData = {
		...snapshot.metadata,
		configuration: {
			...snapshot.metadata.configuration,
			"delta.enableInCommitTimestamps": "true",
		},
	};
	const protocol = upgradedProtocol(snapshot.protocol, metaData);
	if (protocol === undefined) throw new Error("no upgrade");
	snapshot = await write(engine, snapshot, [{ protocol }, { metaData }]);
	const start = snapshot.timestamp ?? 0;
	expect(start).toBe(1_700_000_000_001);
	expect(snapshot.metadata.configuration).toMatchObject({
		"delta.inCommitTimestampEnablementVersion": "1",
		"delta.inCommitTimestampEnablementTimestamp": String(start),
	});
	for (let i = 0; i < 5; i++) {
		engine.clock -= 1000;
		const before = snapshot.timestamp ?? 0;
		snapshot = await write(engine, snapshot, [add(`b${i}`)]);
		expect(snapshot.timestamp).toBe(before + 1);
	}
	const [first] = Buffer.from(await engine.store.get(commitPath(3)))
		.toString()
		.split("\n");
	expect(JSON.parse(first ?? "")).toMatchObject({
		commitInfo: { inCommitTimestamp: start + 2 },
	});
	expect(await versionAt(engine, snapshot.metadata, start + 3)).toBe(4);
	expect(await versionAt(engine, snapshot.metadata, start - 1)).toBe(0);
	expect(await versionAt(engine, snapshot.metadata, start + 1e6)).toBe(6);
	await expect(versionAt(engine, snapshot.metadata, 5)).rejects.toMatchObject({
		code: "DELTA_VERSION_NOT_FOUND",
	});
	expect((await loadSnapshot(engine))?.timestamp).toBe(snapshot.timestamp);
	const versions: number[] = [];
	for await (const { version, timestamp } of history(
		engine,
		snapshot.metadata,
	)) {
		versions.push(version);
		if (version > 0) expect(timestamp).toBe(start + version - 1);
	}
	expect(versions).toEqual([6, 5, 4, 3, 2, 1, 0]);
});

test("time travel over files whose times go back", async () => {
	const engine = memoryEngine();
	let snapshot: Snapshot | undefined;
	for (const at of [1000, 5000, 3000, 9000]) {
		engine.clock = at;
		snapshot = await write(engine, snapshot, [add(`f${at}`)], NO_CHECKPOINTS);
	}
	if (snapshot === undefined) throw new Error("none");
	const { metadata } = snapshot;
	expect(await versionAt(engine, metadata, 5000)).toBe(1);
	expect(await versionAt(engine, metadata, 5001)).toBe(2);
	expect(await versionAt(engine, metadata, 8999)).toBe(2);
	expect(await versionAt(engine, metadata, 9000)).toBe(3);
});

test("row ids that two files share, also after a lost race", async () => {
	const engine = memoryEngine();
	const created = await write(
		engine,
		undefined,
		[add("a", { stats: '{"numRecords":5}' })],
		{ ...NO_CHECKPOINTS, "delta.enableRowTracking": "true" },
	);
	expect(created.protocol.writerFeatures).toEqual(
		expect.arrayContaining(["rowTracking", "domainMetadata"]),
	);
	await write(engine, created, [add("b", { stats: '{"numRecords":7}' })]);
	// This one starts from version 0 and loses.
	const last = await write(engine, created, [
		add("c", { stats: '{"numRecords":3}' }),
	]);
	expect(
		[...last.files.values()].map((file) => [
			file.path,
			file.baseRowId,
			file.defaultRowCommitVersion,
		]),
	).toEqual([
		["a", 0, 0],
		["b", 5, 1],
		["c", 12, 2],
	]);
	expect(highWaterMark(last)).toBe(14);
	await expect(
		write(engine, last, [add("d", { stats: "{}" })]),
	).rejects.toMatchObject({ message: expect.stringContaining("numRecords") });
	const old = last.files.get("a");
	if (old === undefined) throw new Error("none");
	const deletionVector = {
		storageType: "u",
		pathOrInlineDv: "ab^-aqEH.-t@S}K{vb[*k^",
		offset: 1,
		sizeInBytes: 40,
		cardinality: 6,
	} as const;
	const updated = await write(engine, last, [
		remove("a"),
		{ add: { ...old, deletionVector } },
	]);
	expect([...updated.files.values()].at(-1)).toMatchObject({
		baseRowId: 0,
		defaultRowCommitVersion: 0,
	});
	expect(highWaterMark(updated)).toBe(14);
});

test("an append-only table that loses rows", async () => {
	const { engine, snapshot } = await tableOf([[add("a")]], {
		"delta.appendOnly": "true",
	});
	await expect(write(engine, snapshot, [remove("a")])).rejects.toMatchObject({
		code: "DELTA_APPEND_ONLY",
	});
	await write(engine, snapshot, [
		{ remove: { path: "a", dataChange: false } },
		add("b", { dataChange: false }),
	]);
});

test("a checksum that differs from the state, or is trusted when it is broken", async () => {
	const { engine, snapshot } = await tableOf(
		Array.from({ length: 11 }, (_, i) => [
			add(`f${i}`, { size: i }),
			{ txn: { appId: "x", version: i } },
			...(i === 5 ? [remove("f2")] : []),
		]),
		{ "delta.checkpointInterval": "10" },
	);
	expect(snapshot.totals).toEqual({ files: 10, bytes: 53 });
	const checksum = await readChecksum(engine, 10);
	expect(checksum).toMatchObject({
		numFiles: 10,
		tableSizeBytes: 53,
		setTransactions: [{ appId: "x", version: 10 }],
	});
	// The short cut reads no commit: they could be anything.
	const body = await engine.store.get(commitPath(10));
	await engine.store.put(commitPath(10), Buffer.from("broken"));
	expect(await loadSummary(engine)).toMatchObject({
		version: 10,
		totals: { files: 10, bytes: 53 },
	});
	await engine.store.put(commitPath(10), body);
	for (const text of ["", "{}", '{"numFiles":-1}', "[1]"]) {
		await engine.store.put(checksumPath(10), Buffer.from(text));
		expect(await readChecksum(engine, 10)).toBeUndefined();
		expect(await loadSummary(engine)).toMatchObject({
			totals: { files: 10, bytes: 53 },
		});
	}
});

test("a protocol that breaks its own rules, or asks for what is not there, is refused by name", () => {
	const read = (protocol: Protocol) => () => checkReadable(protocol, "t");
	for (const [protocol, text] of [
		[{ minReaderVersion: 3, minWriterVersion: 7 }, "no readerFeatures"],
		[
			{ minReaderVersion: 3, minWriterVersion: 6, readerFeatures: [] },
			"without writer version 7",
		],
		[
			{
				minReaderVersion: 3,
				minWriterVersion: 7,
				readerFeatures: ["deletionVectors"],
				writerFeatures: [],
			},
			"deletionVectors for readers and not for writers",
		],
		[{ minReaderVersion: 0, minWriterVersion: 2 }, "no positive"],
		[{ minReaderVersion: 4, minWriterVersion: 7 }, "reader version 4"],
		[
			{
				minReaderVersion: 3,
				minWriterVersion: 7,
				readerFeatures: ["catalogManaged"],
				writerFeatures: ["catalogManaged", "inCommitTimestamp"],
			},
			"catalogManaged (its commits are ratified",
		],
		[
			{
				minReaderVersion: 3,
				minWriterVersion: 7,
				readerFeatures: ["constructor"],
				writerFeatures: ["constructor"],
			},
			"constructor",
		],
	] as const)
		expect(read(protocol), text).toThrow(text);
	expect(
		read({
			minReaderVersion: 3,
			minWriterVersion: 7,
			readerFeatures: ["typeWidening-preview", "timestampWithoutTimezone"],
			writerFeatures: ["typeWidening-preview", "timestampWithoutTimezone"],
		}),
	).not.toThrow();
});

test("features in use that can't be written are named, unused ones are no obstacle", async () => {
	const { snapshot } = await tableOf([[add("a")]]);
	const identity = {
		...snapshot.metadata,
		schemaString: JSON.stringify({
			type: "struct",
			fields: [
				{
					name: "id",
					type: "long",
					nullable: false,
					metadata: { "delta.identity.start": 1 },
				},
			],
		}),
	};
	const six = { minReaderVersion: 2, minWriterVersion: 6 };
	checkWritable(six, snapshot.metadata, "t");
	expect(() => checkWritable(six, identity, "t")).toThrow(/identityColumns/);
	expect(() =>
		checkWritable({ minReaderVersion: 1, minWriterVersion: 8 }, identity, "t"),
	).toThrow(/writer version 8/);
});

test("a protocol that is raised further than needed, or not far enough", async () => {
	const { snapshot } = await tableOf([[add("a")]]);
	const metadata = (configuration: Record<string, string>) => ({
		...snapshot.metadata,
		configuration,
	});
	expect(protocolFor(metadata({}))).toEqual({
		minReaderVersion: 1,
		minWriterVersion: 2,
	});
	expect(
		protocolFor(metadata({ "delta.enableChangeDataFeed": "true" })),
	).toEqual({ minReaderVersion: 1, minWriterVersion: 4 });
	expect(protocolFor(metadata({ "delta.columnMapping.mode": "name" }))).toEqual(
		{ minReaderVersion: 2, minWriterVersion: 5 },
	);
	expect(
		protocolFor(metadata({ "delta.enableInCommitTimestamps": "true" })),
	).toEqual({
		minReaderVersion: 1,
		minWriterVersion: 7,
		writerFeatures: ["appendOnly", "invariants", "inCommitTimestamp"],
	});
	const raised = upgradedProtocol(
		{ minReaderVersion: 2, minWriterVersion: 5 },
		metadata({ "delta.enableDeletionVectors": "true" }),
	);
	expect(raised).toMatchObject({
		minReaderVersion: 3,
		minWriterVersion: 7,
		readerFeatures: ["columnMapping", "deletionVectors"],
	});
	expect(raised?.writerFeatures).toEqual([
		"appendOnly",
		"invariants",
		"checkConstraints",
		"changeDataFeed",
		"generatedColumns",
		"columnMapping",
		"deletionVectors",
	]);
	expect(
		upgradedProtocol(
			raised ?? snapshot.protocol,
			metadata({ "delta.enableDeletionVectors": "true" }),
		),
	).toBeUndefined();
	for (const [name, feature] of Object.entries(FEATURES))
		for (const needed of feature.needs ?? [])
			expect(FEATURES[needed], `${name} needs ${needed}`).toBeDefined();
	expect(JSON.parse(snapshot.metadata.schemaString)).toEqual(SCHEMA);
});

test("a plan is told which commits it lost to", async () => {
	const { engine, snapshot } = await tableOf([[add("a")], [add("b")]]);
	await write(engine, snapshot, [add("c")]);
	await write(engine, await loadSnapshot(engine), [add("d")]);
	const seen: number[][] = [];
	const outcome = await commit(engine, {
		base: snapshot,
		plan: (_, winners) => {
			seen.push(winners.map(({ version }) => version));
			return { kind: "commit", actions: [add("e")], info: {} };
		},
	});
	expect(outcome).toMatchObject({ kind: "committed", version: 4, attempts: 2 });
	expect(seen).toEqual([[], [2, 3]]);
});
