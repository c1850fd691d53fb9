import type { Vector } from "../columnar/vector.ts";
import type { AddFile } from "../delta/actions.ts";
import type { Engine } from "../delta/engine.ts";
import { DeltaError } from "../delta/errors.ts";
import { scanFiles } from "../delta/scan.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { rowsOf } from "./file-groups.ts";

/*
 * A row's place on a Z-order curve: each column's value becomes a rank, the number of ranges of about
 * equally many rows that lie below it, and the bits of the ranks are interleaved. Rows that are near
 * on the curve are near in every column.
 */

/** Values that the ranges of a column are made from. */
const SAMPLE = 32_768;
const MOST_BITS = 10;
/** All ranks together: a value of the curve is a whole number below 2^31. */
const CURVE_BITS = 31;

/** A value that can be put in order: nulls come before everything. */
type Key = number | Uint8Array | undefined;

/** A column by its path through structs. */
export type ColumnPath = readonly string[];

/** @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE for a column that is not there, or has no order */
export function checkOrderable(
	{ schema, metadata, url }: Pick<Snapshot, "schema" | "metadata" | "url">,
	columns: readonly ColumnPath[],
): void {
	for (const path of columns) {
		const fail = (what: string): never => {
			throw new DeltaError(
				"DELTA_SCHEMA_INCOMPATIBLE",
				`${url} can't be ordered by ${path.join(".")}: ${what}; its columns are ${schema.fields.map(({ name }) => name).join(", ")}`,
			);
		};
		if (metadata.partitionColumns.includes(path[0] ?? ""))
			fail("every file has one value of a partition column");
		let fields: readonly { name: string; type: unknown }[] = schema.fields;
		for (const [depth, part] of path.entries()) {
			const found = fields.find(({ name }) => name === part);
			if (found === undefined) fail("there is no such column");
			const type = found?.type;
			const struct =
				typeof type === "object" && type !== null && "fields" in type
					? (type.fields as typeof fields)
					: undefined;
			const last = depth === path.length - 1;
			if (
				last &&
				(typeof type !== "string" || type === "variant" || type === "void")
			)
				fail("values of its type have no order");
			if (!last && struct === undefined) fail(`${part} has no fields`);
			fields = struct ?? [];
		}
	}
}

/** The place on the curve of each row of some files. */
export interface ZValues {
	/** By file and physical row. */
	readonly ofFile: (file: AddFile) => Uint32Array;
	/** Values at which the rows fall into `parts` of about equal size; ascending, one less than parts. */
	readonly cut: (parts: number) => number[];
}

/** Reads the columns twice: for the ranges, and for the ranks. */
export async function zValues(
	engine: Engine,
	table: Snapshot,
	files: readonly AddFile[],
	columns: readonly ColumnPath[],
): Promise<ZValues> {
	const options = {
		files,
		columns: [...new Set(columns.map(([name = ""]) => name))],
	};
	const total = files.reduce((sum, file) => sum + rowsOf(file), 0);
	const stride = Math.max(1, Math.floor(total / SAMPLE));
	const samples: Key[][] = columns.map(() => []);
	let seen = 0;
	for await (const { batch } of scanFiles(engine, table, options)) {
		for (const [c, path] of columns.entries()) {
			const read = reader(batch, path);
			const sample = samples[c] as Key[];
			for (
				let i = (stride - (seen % stride)) % stride;
				i < batch.length;
				i += stride
			) {
				const key = read(i);
				// Rows of a batch may share memory that is much larger than they are.
				sample.push(key instanceof Uint8Array ? key.slice() : key);
			}
		}
		seen += batch.length;
	}
	const bits = Math.min(MOST_BITS, Math.floor(CURVE_BITS / columns.length));
	const ranks = samples.map((sample) => rangesOf(sample, bits));
	const values = new Map<AddFile, Uint32Array>(
		files.map((file) => [file, new Uint32Array(rowsOf(file))]),
	);
	for await (const { batch, file, rows } of scanFiles(engine, table, options)) {
		const readers = columns.map((path) => reader(batch, path));
		const most = (rows.at(-1) ?? -1) + 1;
		let own = values.get(file) as Uint32Array;
		if (own.length < most) {
			const larger = new Uint32Array(Math.ceil(most * 1.5));
			larger.set(own);
			own = larger;
			values.set(file, own);
		}
		const place = new Array<number>(columns.length);
		for (let i = 0; i < batch.length; i++) {
			for (let c = 0; c < place.length; c++)
				place[c] = (ranks[c] as RankOf)((readers[c] as KeyReader)(i));
			own[rows[i] as number] = interleave(place, bits);
		}
	}
	return {
		ofFile: (file) => values.get(file) ?? new Uint32Array(0),
		cut: (parts) => cut([...values.values()], stride, parts),
	};
}

/** Bits of the ranks, the highest of each first, in turns. */
export function interleave(ranks: readonly number[], bits: number): number {
	let z = 0;
	for (let bit = bits - 1; bit >= 0; bit--)
		for (const rank of ranks) z = (z << 1) | ((rank >>> bit) & 1);
	return z;
}

function cut(
	values: readonly Uint32Array[],
	stride: number,
	parts: number,
): number[] {
	const sample: number[] = [];
	for (const own of values)
		for (let i = 0; i < own.length; i += stride) sample.push(own[i] as number);
	sample.sort((a, b) => a - b);
	return Array.from(
		{ length: parts - 1 },
		(_, i) => sample[Math.floor(((i + 1) * sample.length) / parts)] ?? 0,
	);
}

type RankOf = (key: Key) => number;

/** Ranks from 0 to 2^bits - 1; few ranges are spread over them, so that every column weighs the same. */
function rangesOf(sample: Key[], bits: number): RankOf {
	const most = 2 ** bits - 1;
	const sorted = sample.sort(compareKeys);
	const bounds: Key[] = [];
	for (let i = 1; i <= most; i++) {
		const key = sorted[Math.floor((i * sorted.length) / (most + 1))];
		const last = bounds.length === 0 ? sorted[0] : bounds.at(-1);
		if (compareKeys(key, last) > 0) bounds.push(key);
	}
	const scale = bounds.length === 0 ? 0 : most / bounds.length;
	return (key) => {
		let [low, high] = [0, bounds.length];
		while (low < high) {
			const middle = (low + high) >>> 1;
			if (compareKeys(bounds[middle], key) <= 0) low = middle + 1;
			else high = middle;
		}
		return Math.floor(low * scale);
	};
}

function compareKeys(a: Key, b: Key): number {
	if (a === undefined || b === undefined)
		return Number(a !== undefined) - Number(b !== undefined);
	if (typeof a === "number" || typeof b === "number") {
		// NaN is greater than every number, as in Spark.
		if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
		if (Number.isNaN(b)) return -1;
		return (a as number) < (b as number) ? -1 : Number(a > b);
	}
	return Buffer.compare(a, b);
}

type KeyReader = (row: number) => Key;

function reader(
	batch: {
		readonly schema: { readonly fields: readonly Named[] };
		readonly columns: readonly Vector[];
	},
	path: ColumnPath,
): KeyReader {
	let fields = batch.schema.fields;
	let vectors = batch.columns;
	const outer: Uint8Array[] = [];
	for (const [depth, part] of path.entries()) {
		const i = fields.findIndex(({ name }) => name === part);
		const vector = vectors[i] as Vector;
		if (vector.validity !== undefined) outer.push(vector.validity);
		if (depth === path.length - 1) {
			const read = valueReader(vector);
			return (row) =>
				outer.some((validity) => validity[row] === 0) ? undefined : read(row);
		}
		const { type } = fields[i] as Named;
		fields = (type as { fields: readonly Named[] }).fields;
		vectors = vector.kind === "struct" ? vector.children : [];
	}
	return () => undefined;
}

interface Named {
	readonly name: string;
	readonly type: unknown;
}

function valueReader(vector: Vector): KeyReader {
	switch (vector.kind) {
		case "bool":
		case "i32":
		case "f32":
		case "f64":
			return (row) => vector.values[row];
		case "i64": {
			const { buffer, byteOffset, length } = vector.values;
			const words = new Int32Array(buffer, byteOffset, length * 2);
			// As a double: neighbours may fall together, none are put in the wrong order.
			return (row) =>
				(words[2 * row + 1] as number) * 2 ** 32 +
				((words[2 * row] as number) >>> 0);
		}
		case "fixed16":
			return (row) => {
				const bytes = vector.values.slice(row * 16, row * 16 + 16);
				bytes[0] = (bytes[0] as number) ^ 0x80; // Two's complement: negative ones come first.
				return bytes;
			};
		case "bytes":
			return (row) =>
				vector.data.subarray(vector.offsets[row], vector.offsets[row + 1]);
		default:
			return () => undefined;
	}
}
