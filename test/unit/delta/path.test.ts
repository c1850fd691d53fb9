import { expect, test } from "vitest";
import { DeltaError } from "../../../src/delta/errors.ts";
import { commitPath, serialiseCommit } from "../../../src/delta/log.ts";
import { encodePath, partitionFolder } from "../../../src/delta/partition.ts";
import {
	canonicalPath,
	decodePath,
	locateFile,
	placeOf,
} from "../../../src/delta/path.ts";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import { generator, SEED, textOf } from "./random.ts";
import { add, memoryEngine, write } from "./table.ts";

test("every spelling of one path is one file", () => {
	for (const group of [
		["a b.parquet", "a%20b.parquet", "%61 b%2eparquet", "a%20b%2Eparquet"],
		["file:/x/y z", "file:///x/y%20z", "/x/y z", "FILE:///x//y%20z"],
		["s3://lake/t/ö", "s3a://lake/t/%C3%B6", "s3n://lake/t/%c3%b6"],
		["d=2020-01-01 10%3A00/p", "d=2020-01-01%2010%3a00/p"],
	])
		expect(new Set(group.map(canonicalPath)).size).toBe(1);
});

test("different files stay different", () => {
	const paths = [
		"a",
		"/a",
		"s3://a/a",
		"s3://a//a",
		"s3://b/a",
		"a%252Fb",
		"a%2Fb",
		"A",
		"a%25",
		"d=file:/a",
	];
	expect(new Set(paths.map(canonicalPath)).size).toBe(paths.length);
});

test("a broken escape is a typed error, not a file of that name", () => {
	for (const path of ["100%", "a%2", "a%zz", "%ff", "s3://b/%", "/%C3"]) {
		for (const call of [decodePath, canonicalPath])
			expect(() => call(path)).toThrow(
				expect.objectContaining({ code: "DELTA_LOG_INVALID" }),
			);
		expect(() => placeOf(path, "s3://b/t")).toThrow(DeltaError);
	}
});

test("absolute paths below the root are found in the table's own store", () => {
	for (const [path, root, inside] of [
		["s3a://lake/t%20x/p=1/f", "s3://lake/t x", "p=1/f"],
		["/t x/f", "s3://lake/t x", "f"],
		["file:/data/t/f%23", "file:///data/t", "f#"],
		["/data/t/f", "file:///data/t/", "f"],
		["s3://lake/f", "s3://lake", "f"],
		["p=1/f%20g", "s3://lake/t", "p=1/f g"],
	] as const)
		expect(placeOf(path, root)).toEqual({ kind: "inside", path: inside });
});

test("paths outside of the root are not mistaken for paths below it", () => {
	for (const [path, root, url] of [
		["s3a://lake/tx/f%20g", "s3://lake/t", "s3://lake/tx/f%20g"],
		["s3://other/t/f", "s3://lake/t", "s3://other/t/f"],
		["/elsewhere/f", "file:///data/t", "file:///elsewhere/f"],
		["/elsewhere/f", "s3://lake/t", "s3://lake/elsewhere/f"],
		["file:/data/t2/a%23b", "file:///data/t", "file:///data/t2/a%23b"],
	] as const)
		expect(placeOf(path, root)).toEqual({ kind: "outside", url });
});

test("files outside of the table are opened only where the engine may", () => {
	const store = { ...openMemoryStore(), url: "s3://lake/clone" };
	const other = openMemoryStore();
	const opened: string[] = [];
	const openAt = (url: string) => {
		opened.push(url);
		return { store: other, path: "f" };
	};
	expect(locateFile({ store }, "a%20b")).toEqual({ store, path: "a b" });
	expect(locateFile({ store, openAt }, "s3a://lake/source/f").store).toBe(
		other,
	);
	expect(opened).toEqual(["s3://lake/source/f"]);
	const outside = expect.objectContaining({ code: "DELTA_FILE_OUTSIDE_TABLE" });
	expect(() => locateFile({ store }, "s3://lake/source/f")).toThrow(outside);
	expect(() => locateFile({ store, openAt }, "file:/etc/passwd")).toThrow(
		outside,
	);
});

test("any partition folder is found again at its encoded path", () => {
	const random = generator(SEED);
	for (let i = 0; i < 2000; i++) {
		const value = textOf(random, 12);
		const folder = partitionFolder(["c d"], { "c d": value });
		expect(folder.split("/"), `seed ${SEED}, ${i}`).toHaveLength(2);
		expect(decodePath(encodePath(`${folder}f`))).toBe(`${folder}f`);
		expect(canonicalPath(encodePath(`${folder}f`))).toBe(`${folder}f`);
		// Hive's own escape stands inside of the URI's: one decoding leaves it there.
		expect(decodeURIComponent(folder)).toBe(`c d=${value}/`);
	}
});

test("a file that is removed by another spelling of its path is gone", async () => {
	for (const [added, removed] of [
		["/some/absolute/path", "file:/some/absolute/path"],
		["/some/with%20space/p@%23h", "file:///some/with%20space/p@%23h"],
		["s3a://lake/t/a%2Bb", "s3://lake/t/a+b"],
		["p=x%2520y/f", "p=x%2520y/%66"],
	] as const) {
		const engine = memoryEngine();
		await write(engine, undefined, [add(added), add("kept")]);
		await engine.store.put(
			commitPath(1),
			serialiseCommit([
				{ remove: { path: removed, deletionTimestamp: 1, dataChange: false } },
			]),
		);
		const snapshot = await loadSnapshot(engine);
		expect([...(snapshot?.files.keys() ?? [])], removed).toEqual(["kept"]);
	}
});
