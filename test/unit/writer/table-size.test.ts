import { expect, test } from "vitest";
import type { AddFile } from "../../../src/delta/actions.ts";
import { LayeredMap } from "../../../src/delta/keyed-map.ts";
import type { Snapshot } from "../../../src/delta/snapshot.ts";
import { TableSize } from "../../../src/writer/table-size.ts";

/** A snapshot of files with ten rows each, of which deletion vectors hide some. */
function snapshot(
	version: number,
	files: number,
	options: { deleted?: number; totals?: boolean; stats?: boolean } = {},
): Snapshot {
	const { deleted = 0, totals = true, stats = true } = options;
	const adds = Array.from({ length: files }, (_, index) => [
		`f${index}`,
		{
			path: `f${index}`,
			size: 100,
			...(stats && { stats: '{"numRecords":10}' }),
			...(deleted > 0 &&
				index === 0 && { deletionVector: { cardinality: deleted } }),
		} as unknown as AddFile,
	]);
	return {
		version,
		files: LayeredMap.over(new Map(adds as [string, AddFile][])),
		totals: totals ? { files, bytes: files * 100 } : undefined,
	} as unknown as Snapshot;
}

test("rows that deletion vectors hide are not counted; unknown ones make the number unknown", () => {
	const size = new TableSize();
	expect(size.of(snapshot(1, 3, { deleted: 4 }), 0)).toMatchObject({
		version: 1,
		files: 3,
		bytes: 300,
		rows: 26,
	});
	expect(size.of(snapshot(2, 3, { stats: false }), 0).rows).toBeUndefined();
});

test("a large table is counted once a minute, and its version and files are of now", () => {
	const size = new TableSize();
	expect(size.of(snapshot(1, 10_001), 0).rows).toBe(100_010);
	expect(size.of(snapshot(2, 10_002), 59_000)).toMatchObject({
		version: 2,
		files: 10_002,
		rows: 100_010,
	});
	expect(size.of(snapshot(2, 10_002), 61_000).rows).toBe(100_020);
});

test("a table whose files nobody counted yet is counted once a minute too", () => {
	const size = new TableSize();
	expect(size.of(snapshot(1, 2, { totals: false }), 0).files).toBe(2);
	expect(size.of(snapshot(2, 3, { totals: false }), 1000)).toMatchObject({
		version: 2,
		files: 2,
	});
	expect(size.of(snapshot(2, 3, { totals: false }), 60_000).files).toBe(3);
});
