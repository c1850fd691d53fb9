import { expect, test } from "vitest";
import { ParquetError } from "../../../src/columnar/parquet/errors.ts";
import { readMetadata } from "../../../src/columnar/parquet/metadata.ts";
import { CompactWriter } from "../../../src/columnar/parquet/thrift.ts";
import { CompactReader } from "../../../src/columnar/parquet/thrift-read.ts";

test("what is written is read, and fields that nobody asks for are passed over", () => {
	const writer = new CompactWriter();
	writer.bool(1, true);
	writer.i8(2, -5);
	writer.i32(3, -(2 ** 31));
	writer.i64(4, 2 ** 52 - 1);
	writer.binary(5, "ü");
	writer.bools(6, [true, false]);
	writer.structs(7, [1, 2], (n) => {
		writer.i32(1, n);
		writer.struct(2, () => writer.bool(1, false));
	});
	writer.i64s(40, [1, -1]);
	writer.binaries(41, ["a", "b"]);
	writer.i16(42, 300);
	const bytes = writer.finish().slice();
	const read = (wanted: readonly number[]): Record<number, unknown> => {
		const reader = new CompactReader(bytes);
		const found: Record<number, unknown> = {};
		const readers: Record<number, () => unknown> = {
			1: () => reader.bool(),
			2: () => reader.i8(),
			3: () => reader.integer(),
			4: () => reader.integer(),
			5: () => reader.text(),
			6: () => reader.list(() => reader.bool()),
			7: () =>
				reader.list(() => {
					let n = 0;
					reader.struct((id) => {
						if (id === 1) n = reader.integer();
					});
					return n;
				}),
			40: () => reader.list(() => reader.integer()),
			41: () => reader.list(() => reader.text()),
			42: () => reader.integer(),
		};
		reader.struct((id) => {
			if (wanted.includes(id)) found[id] = readers[id]?.();
		});
		expect(reader.offset).toBe(bytes.length);
		return found;
	};
	const all = {
		1: true,
		2: -5,
		3: -(2 ** 31),
		4: 2 ** 52 - 1,
		5: "ü",
		6: [true, false],
		7: [1, 2],
		40: [1, -1],
		41: ["a", "b"],
		42: 300,
	};
	expect(read(Object.keys(all).map(Number))).toEqual(all);
	expect(read([42])).toEqual({ 42: 300 });
	expect(read([])).toEqual({});
});

test.each<[string, readonly number[]]>([
	["nothing", []],
	["no end", [0x15, 2]],
	["lists in lists without end", Array(100_000).fill(0x19)],
	["structs in structs without end", Array(100_000).fill(0x1c)],
	["a list that is longer than all", [0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f, 0]],
	["a list of nothing, often", [0x19, 0xf0, 0xff, 0x01, ...Array(300).fill(0)]],
	["bytes beyond the end", [0x18, 0xff, 0xff, 0x03, 0]],
	["an integer without end", [0x16, ...Array(20).fill(0xff)]],
	["an integer that no double holds", [0x16, ...Array(9).fill(0xff), 1, 0]],
	["a map", [0x1b, 0]],
	["a type that isn't", [0x1e, 0]],
	["rows that are bytes", [0x38, 1, 97, 0]],
])("a footer with %s is damaged, and soon told", (_, bytes) => {
	expect(() => readMetadata(Uint8Array.from(bytes))).toThrow(ParquetError);
});
