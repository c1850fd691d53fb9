import { randomUUID } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeParquet } from "../src/columnar/parquet/encode.ts";
import type { DataType } from "../src/columnar/types.ts";
import { field, struct } from "../src/columnar/types.ts";
import type { Batch, BytesVector, Vector } from "../src/columnar/vector.ts";
import { newTable } from "../src/delta/create.ts";

const FILE_ROWS = 500_000;

const COLUMNS: readonly [name: string, type: DataType][] = [
	["id", "long"],
	["amount", "long"],
	["maybe", "long"],
	["city", "string"],
	["note", "string"],
	["status", "string"],
	["price", "double"],
	["quantity", "integer"],
	["at", "timestamp"],
	["paid", "boolean"],
];
/** Ten columns of the usual types. */
export const SCHEMA = struct(
	...COLUMNS.map(([name, type]) => field(name, type)),
);

/** A Delta table of `rows` rows in a local folder. */
export function writeTable(folder: string, rows: number): void {
	mkdirSync(join(folder, "_delta_log"), { recursive: true });
	const actions: object[] = newTable(
		{ schema: SCHEMA },
		{ uuid: randomUUID, now: Date.now },
	);
	for (let start = 0; start < rows; start += FILE_ROWS) {
		const count = Math.min(FILE_ROWS, rows - start);
		const path = `part-${start / FILE_ROWS}.parquet`;
		const { bytes } = encodeParquet([makeBatch(start, count)]);
		writeFileSync(join(folder, path), bytes);
		actions.push({
			add: {
				path,
				partitionValues: {},
				size: bytes.length,
				modificationTime: Date.now(),
				dataChange: true,
				stats: JSON.stringify({ numRecords: count }),
			},
		});
	}
	writeFileSync(
		join(folder, "_delta_log", "00000000000000000000.json"),
		actions.map((action) => `${JSON.stringify(action)}\n`).join(""),
	);
}

/** Rows of a shop; the same for the same `start`. Texts are ASCII, so that their bytes are what JavaScript calls their length. */
export function makeBatch(start: number, length: number): Batch {
	let state = start + 1;
	// mulberry32
	const below = (n: number): number => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
	};
	const slots = { length, validity: undefined };
	const longs = (
		make: (i: number) => number,
		validity?: Uint8Array,
	): Vector => ({
		kind: "i64",
		length,
		validity,
		values: BigInt64Array.from({ length }, (_, i) => BigInt(make(i))),
	});
	const texts = (make: (i: number) => string): BytesVector => {
		const parts = Array.from({ length }, (_, i) => make(i));
		const offsets = new Int32Array(length + 1);
		parts.forEach((part, i) => {
			offsets[i + 1] = (offsets[i] as number) + part.length;
		});
		const data = new Uint8Array(Buffer.from(parts.join(""), "latin1"));
		return { kind: "bytes", ...slots, offsets, data };
	};
	const cities = Array.from(
		{ length: 2000 },
		(_, i) => `City of ${((i + 1) * 2654435761).toString(36)}`,
	);
	const statuses = ["new", "paid", "sent", "done"];
	const columns: Readonly<Record<string, Vector>> = {
		id: longs((i) => start + i),
		amount: longs(() => below(1_000_000_000)),
		maybe: longs(
			() => below(500),
			Uint8Array.from({ length }, () => Math.min(1, below(4))),
		),
		city: texts(() => cities[below(2000)] as string),
		note: texts((i) => `order ${start + i} for ${below(1e9).toString(36)}`),
		status: texts(() => statuses[below(4)] as string),
		price: {
			kind: "f64",
			...slots,
			values: Float64Array.from({ length }, () => below(1e6) / 100),
		},
		quantity: {
			kind: "i32",
			...slots,
			values: Int32Array.from({ length }, () => below(20)),
		},
		at: longs((i) => 1_750_000_000_000_000 + (start + i) * 1000 + below(1000)),
		paid: {
			kind: "bool",
			...slots,
			values: Uint8Array.from({ length }, () => below(2)),
		},
	};
	return {
		schema: SCHEMA,
		length,
		columns: COLUMNS.map(([name]) => columns[name] as Vector),
	};
}
