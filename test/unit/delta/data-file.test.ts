import { expect, test } from "vitest";
import { vectorOf } from "../../../src/columnar/literal.ts";
import {
	bloomMayContain,
	bytesFile,
} from "../../../src/columnar/parquet/read.ts";
import { field, struct } from "../../../src/columnar/types.ts";
import { alterTable } from "../../../src/delta/alter.ts";
import { physicalSchema } from "../../../src/delta/column-mapping.ts";
import {
	dataFileOptions,
	encodeDataFiles,
} from "../../../src/delta/data-file.ts";
import { DeltaError } from "../../../src/delta/errors.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { append, createTable } from "../../../src/delta/write.ts";
import { memoryEngine } from "./table.ts";

const schema = struct(field("id", "long"), field("name", "string"));

function batch(from: number, length: number) {
	const ids = Array.from({ length }, (_, i) => BigInt(from + i));
	return {
		schema,
		length,
		columns: [
			vectorOf("long", ids),
			vectorOf(
				"string",
				ids.map((id) => `${id * 7919n}-${id % 13n}`),
			),
		],
	};
}

test("a file goes on past its target size, or rows are lost at the border", () => {
	const options = dataFileOptions(
		schema,
		{ configuration: { "delta.targetFileSize": "4kb" } },
		"none",
	);
	const rows = Int32Array.from({ length: 5000 }, (_, i) => 4999 - i);
	const files = [...encodeDataFiles(batch(0, 5000), rows, options, 500)];
	expect(files.length).toBeGreaterThan(4);
	for (const { bytes } of files) expect(bytes.length).toBeLessThan(14_000);
	expect(files.flatMap((file) => [...file.rows])).toEqual([...rows]);
	for (const { leaves, rows } of files) {
		expect(leaves[0]?.min).toBe(BigInt(Math.min(...rows)));
		expect(leaves[0]?.max).toBe(BigInt(Math.max(...rows)));
	}
});

test("rows of a table whose files are rolled come back once each", async () => {
	const engine = memoryEngine();
	const table = await createTable(engine, {
		schema,
		configuration: { "delta.targetFileSize": "256kb" },
	});
	const after = await append(engine, table, [batch(0, 300_000)]);
	expect(after.files.size).toBeGreaterThan(1);
	const seen = new Set<bigint>();
	for await (const { columns, length } of readTable(engine, after, {
		columns: ["id"],
	})) {
		const [ids] = columns;
		if (ids?.kind !== "i64") throw new Error("no ids");
		for (let i = 0; i < length; i++) seen.add(ids.values[i] ?? -1n);
	}
	expect(seen.size).toBe(300_000);
});

test("a size that is none is told with its value", () => {
	for (const text of ["", "0", "-1", "12 parsecs", "1.5gb"])
		expect(() =>
			dataFileOptions(
				schema,
				{ configuration: { "delta.targetFileSize": text } },
				"none",
			),
		).toThrow(
			expect.objectContaining({
				constructor: DeltaError,
				code: "DELTA_LOG_INVALID",
				message: expect.stringContaining(JSON.stringify(text)),
			}) as Error,
		);
});

test("Bloom filters follow a column whose name changes, and find what is there", async () => {
	const engine = memoryEngine();
	const table = await createTable(engine, {
		schema,
		configuration: {
			"delta.columnMapping.mode": "name",
			"tributary.parquet.bloomFilterColumns": "name",
		},
	});
	const renamed = await alterTable(engine, table, {
		kind: "rename-column",
		path: ["name"],
		to: "label",
	});
	expect(
		renamed.metadata.configuration["tributary.parquet.bloomFilterColumns"],
	).toBe("label");
	const rows = batch(0, 1000);
	const after = await append(engine, renamed, [
		{
			...rows,
			schema: struct(field("id", "long"), field("label", "string")),
		},
	]);
	const [file] = [...after.files.values()];
	const bytes = await engine.store.get(file?.path ?? "");
	const physical = physicalSchema(after.schema, "name");
	const path = [physical.fields[1]?.name ?? ""];
	const has = (value: string) =>
		bloomMayContain(bytesFile(bytes), path, value, { schema: physical });
	expect(await has(`${7919 * 5}-5`)).toBe(true);
	const absent = await Promise.all(
		Array.from({ length: 100 }, (_, i) => has(`none ${i}`)),
	);
	expect(absent.filter(Boolean).length).toBeLessThan(10);
});
