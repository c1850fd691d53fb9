import { TributaryError } from "../errors.ts";
import { COPY_SLACK, copyRange, viewOf } from "./copy.ts";
import type { Batch, BytesVector, Vector } from "./vector.ts";

/** The rows at these positions, in this order; a row may come more than once. */
export function take(batch: Batch, rows: Int32Array): Batch {
	return {
		schema: batch.schema,
		length: rows.length,
		columns: batch.columns.map((column) => takeVector(column, rows)),
	};
}

/**
 * The rows of all batches, one after another.
 * @throws TributaryError `BATCH_MISMATCH` when there is no batch or their columns differ in kind
 */
export function concat(batches: readonly Batch[]): Batch {
	const [first] = batches;
	if (first === undefined) {
		throw new TributaryError(
			"BATCH_MISMATCH",
			"no batches to join; pass at least one",
		);
	}
	if (batches.length === 1) return first;
	return {
		schema: first.schema,
		length: batches.reduce((sum, batch) => sum + batch.length, 0),
		columns: first.columns.map((_, i) =>
			concatVectors(
				batches.map((batch) => {
					const column = batch.columns[i];
					if (column === undefined) throw mismatch(i, "no vector");
					return { vector: column, from: 0, to: batch.length };
				}),
			),
		),
	};
}

export function takeVector(vector: Vector, rows: Int32Array): Vector {
	const length = rows.length;
	const validity = takeValidity(vector.validity, rows);
	const slots = { length, validity };
	switch (vector.kind) {
		case "bool":
			return { kind: vector.kind, ...slots, values: pick(vector.values, rows) };
		case "i32":
			return {
				kind: vector.kind,
				...slots,
				values: fill(new Int32Array(length), vector.values, rows),
			};
		case "f32":
			return {
				kind: vector.kind,
				...slots,
				values: fill(new Float32Array(length), vector.values, rows),
			};
		case "f64":
			return {
				kind: vector.kind,
				...slots,
				values: fill(new Float64Array(length), vector.values, rows),
			};
		case "i64": {
			const values = new BigInt64Array(length);
			takeWords(wordsOf(values), wordsOf(vector.values), rows);
			return { kind: "i64", ...slots, values };
		}
		case "fixed16": {
			const values = new Uint8Array(length * 16);
			for (let i = 0; i < length; i++) {
				const at = (rows[i] as number) * 16;
				values.set(vector.values.subarray(at, at + 16), i * 16);
			}
			return { kind: "fixed16", ...slots, values };
		}
		case "bytes":
			return { ...takeBytes(vector, rows), ...slots };
		case "struct":
			return {
				kind: "struct",
				...slots,
				children: vector.children.map((child) => takeVector(child, rows)),
			};
		case "list": {
			const { offsets, children } = takeOffsets(vector.offsets, rows);
			const child = takeVector(vector.child, children);
			return { kind: "list", ...slots, offsets, child };
		}
		case "map": {
			const { offsets, children } = takeOffsets(vector.offsets, rows);
			return {
				kind: "map",
				...slots,
				offsets,
				keys: takeVector(vector.keys, children),
				values: takeVector(vector.values, children),
			};
		}
	}
}

/** Slots `from` to `to` of a vector. */
export interface VectorSlice {
	readonly vector: Vector;
	readonly from: number;
	readonly to: number;
}

/** The slots of all slices, which have to be of one kind, one after another. */
export function concatVectors(slices: readonly VectorSlice[]): Vector {
	const first = slices[0]?.vector;
	if (first === undefined) throw mismatch(0, "no vector");
	let length = 0;
	let nullable = false;
	for (const { vector, from, to } of slices) {
		length += to - from;
		if (vector.validity !== undefined) nullable = true;
	}
	const validity = nullable ? new Uint8Array(length) : undefined;
	if (validity !== undefined) {
		let at = 0;
		for (const { vector, from, to } of slices) {
			if (vector.validity === undefined) validity.fill(1, at, at + to - from);
			else validity.set(vector.validity.subarray(from, to), at);
			at += to - from;
		}
	}
	const shape = { length, validity };
	switch (first.kind) {
		case "bool": {
			const values = new Uint8Array(length);
			joinInto(values, ofKind(slices, "bool"));
			return { kind: "bool", ...shape, values };
		}
		case "i32": {
			const values = new Int32Array(length);
			joinInto(values, ofKind(slices, "i32"));
			return { kind: "i32", ...shape, values };
		}
		case "f32": {
			const values = new Float32Array(length);
			joinInto(values, ofKind(slices, "f32"));
			return { kind: "f32", ...shape, values };
		}
		case "f64": {
			const values = new Float64Array(length);
			joinInto(values, ofKind(slices, "f64"));
			return { kind: "f64", ...shape, values };
		}
		case "i64": {
			const values = new BigInt64Array(length);
			let at = 0;
			for (const { vector, from, to } of ofKind(slices, "i64")) {
				values.set(vector.values.subarray(from, to), at);
				at += to - from;
			}
			return { kind: "i64", ...shape, values };
		}
		case "fixed16": {
			const values = new Uint8Array(length * 16);
			let at = 0;
			for (const { vector, from, to } of ofKind(slices, "fixed16")) {
				values.set(vector.values.subarray(from * 16, to * 16), at * 16);
				at += to - from;
			}
			return { kind: "fixed16", ...shape, values };
		}
		case "bytes": {
			const parts = ofKind(slices, "bytes");
			const offsets = joinOffsets(parts, length);
			const data = new Uint8Array(offsets[length] as number);
			let at = 0;
			for (const { vector, from, to } of parts) {
				const part = vector.data.subarray(
					vector.offsets[from],
					vector.offsets[to],
				);
				data.set(part, at);
				at += part.length;
			}
			return { kind: "bytes", ...shape, offsets, data };
		}
		case "struct": {
			const parts = ofKind(slices, "struct");
			const children = first.children.map((_, i) =>
				concatVectors(
					parts.map(({ vector, from, to }) => {
						const child = vector.children[i];
						if (child === undefined) throw mismatch(i, "no child vector");
						return { vector: child, from, to };
					}),
				),
			);
			return { kind: "struct", ...shape, children };
		}
		case "list": {
			const parts = ofKind(slices, "list");
			const child = concatVectors(
				parts.map(({ vector, from, to }) => ({
					vector: vector.child,
					from: vector.offsets[from] as number,
					to: vector.offsets[to] as number,
				})),
			);
			const offsets = joinOffsets(parts, length);
			return { kind: "list", ...shape, offsets, child };
		}
		case "map": {
			const parts = ofKind(slices, "map");
			const members = (which: "keys" | "values"): Vector =>
				concatVectors(
					parts.map(({ vector, from, to }) => ({
						vector: vector[which],
						from: vector.offsets[from] as number,
						to: vector.offsets[to] as number,
					})),
				);
			return {
				kind: "map",
				...shape,
				offsets: joinOffsets(parts, length),
				keys: members("keys"),
				values: members("values"),
			};
		}
	}
}

function takeValidity(
	validity: Uint8Array | undefined,
	rows: Int32Array,
): Uint8Array | undefined {
	return validity === undefined ? undefined : pick(validity, rows);
}

function pick(values: Uint8Array, rows: Int32Array): Uint8Array {
	return fill(new Uint8Array(rows.length), values, rows);
}

function fill<T extends Uint8Array | Int32Array | Float32Array | Float64Array>(
	out: T,
	values: T,
	rows: Int32Array,
): T {
	for (let i = 0; i < rows.length; i++)
		out[i] = values[rows[i] as number] as number;
	return out;
}

/** Values of two words: a BigInt each would be an object each. */
function takeWords(out: Int32Array, words: Int32Array, rows: Int32Array): void {
	for (let i = 0; i < rows.length; i++) {
		const word = (rows[i] as number) * 2;
		out[2 * i] = words[word] as number;
		out[2 * i + 1] = words[word + 1] as number;
	}
}

function wordsOf({ buffer, byteOffset, length }: BigInt64Array): Int32Array {
	return new Int32Array(buffer, byteOffset, length * 2);
}

function takeBytes(vector: BytesVector, rows: Int32Array): BytesVector {
	const { offsets } = vector;
	const taken = new Int32Array(rows.length + 1);
	let size = 0;
	for (let i = 0; i < rows.length; i++) {
		const row = rows[i] as number;
		size += (offsets[row + 1] as number) - (offsets[row] as number);
		taken[i + 1] = size;
	}
	if (size > MAX_OFFSET) throw tooLarge(size);
	const data = new Uint8Array(size + COPY_SLACK);
	const [input, output] = [viewOf(vector.data), viewOf(data)];
	for (let i = 0; i < rows.length; i++) {
		const start = offsets[rows[i] as number] as number;
		const to = taken[i] as number;
		copyRange(input, start, output, to, (taken[i + 1] as number) - to);
	}
	return {
		...vector,
		length: rows.length,
		offsets: taken,
		data: data.subarray(0, size),
	};
}

function takeOffsets(
	offsets: Int32Array,
	rows: Int32Array,
): { offsets: Int32Array; children: Int32Array } {
	const taken = new Int32Array(rows.length + 1);
	let size = 0;
	for (let i = 0; i < rows.length; i++) {
		const row = rows[i] as number;
		size += (offsets[row + 1] as number) - (offsets[row] as number);
		taken[i + 1] = size;
	}
	if (size > MAX_OFFSET) throw tooLarge(size);
	const children = new Int32Array(size);
	let at = 0;
	for (const row of rows) {
		const end = offsets[row + 1] as number;
		for (let child = offsets[row] as number; child < end; child++)
			children[at++] = child;
	}
	return { offsets: taken, children };
}

function joinOffsets(
	slices: readonly {
		readonly vector: { readonly offsets: Int32Array };
		readonly from: number;
		readonly to: number;
	}[],
	length: number,
): Int32Array {
	const joined = new Int32Array(length + 1);
	let at = 0;
	let end = 0;
	for (const { vector, from, to } of slices) {
		const { offsets } = vector;
		const shift = end - (offsets[from] as number);
		end = shift + (offsets[to] as number);
		if (end > MAX_OFFSET) throw tooLarge(end);
		for (let i = from; i < to; i++)
			joined[++at] = shift + (offsets[i + 1] as number);
	}
	return joined;
}

function joinInto<
	T extends Uint8Array | Int32Array | Float32Array | Float64Array,
>(
	out: T,
	slices: readonly {
		readonly vector: { readonly values: T };
		readonly from: number;
		readonly to: number;
	}[],
): void {
	let at = 0;
	for (const { vector, from, to } of slices) {
		out.set(vector.values.subarray(from, to), at);
		at += to - from;
	}
}

type SliceOf<K extends Vector["kind"]> = Omit<VectorSlice, "vector"> & {
	readonly vector: Extract<Vector, { kind: K }>;
};

function ofKind<K extends Vector["kind"]>(
	slices: readonly VectorSlice[],
	kind: K,
): readonly SliceOf<K>[] {
	slices.forEach(({ vector }, i) => {
		if (vector.kind !== kind)
			throw mismatch(i, `a vector of kind ${vector.kind} beside ${kind}`);
	});
	return slices as readonly SliceOf<K>[];
}

/** Offsets are int32. */
const MAX_OFFSET = 0x7fffffff;

function tooLarge(size: number): TributaryError {
	return new TributaryError(
		"BATCH_TOO_LARGE",
		`${size} bytes or elements don't fit one vector, which holds ${MAX_OFFSET}; use smaller batches`,
	);
}

function mismatch(column: number, found: string): TributaryError {
	return new TributaryError(
		"BATCH_MISMATCH",
		`batches don't fit each other: ${found} at position ${column}; give them one schema`,
	);
}
