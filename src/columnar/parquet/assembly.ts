import { nullVector } from "../literal.ts";
import type { Vector } from "../vector.ts";
import type { DecodedChunk } from "./column-reader.ts";
import { ParquetError } from "./errors.ts";
import { wordsOf } from "./plain.ts";
import type { ReadNode } from "./projection.ts";
import { countLevels } from "./rle.ts";

/**
 * Puts a field together from the chunks of its leaves: the inverse of the walk that made their
 * levels. `length` is the number of its slots: rows, or elements of the list around it.
 *
 * @throws ParquetError when the leaves contradict each other
 */
export function assemble(
	node: ReadNode,
	length: number,
	chunk: (column: number) => DecodedChunk,
): Vector {
	switch (node.kind) {
		case "missing":
			return nullVector(node.type, length);
		case "leaf":
			return assembleLeaf(node, length, chunk(node.anchor));
		case "struct": {
			const validity = assembleValidity(node, length, chunk(node.anchor));
			const children = node.fields.map((field) =>
				assemble(field, length, chunk),
			);
			return { kind: "struct", length, validity, children };
		}
		case "list": {
			const { validity, offsets, elements } = assembleOffsets(
				node,
				length,
				chunk(node.anchor),
			);
			const child = assemble(node.element, elements, chunk);
			return { kind: "list", length, validity, offsets, child };
		}
		case "map": {
			const { validity, offsets, elements } = assembleOffsets(
				node,
				length,
				chunk(node.anchor),
			);
			return {
				kind: "map",
				length,
				validity,
				offsets,
				keys: assemble(node.key, elements, chunk),
				values: assemble(node.value, elements, chunk),
			};
		}
	}
}

type Placed = Exclude<ReadNode, { kind: "missing" }>;

function assembleLeaf(
	node: Extract<ReadNode, { kind: "leaf" }>,
	length: number,
	chunk: DecodedChunk,
): Vector {
	const { values, definition } = chunk;
	if (values === undefined) throw contradiction(node);
	if (definition === undefined) {
		if (values.length !== length) throw contradiction(node);
		return values;
	}
	const validity = leafValidity(node, length, chunk.entries, definition);
	if (countLevels(validity, 1, 0, length) !== values.length)
		throw contradiction(node);
	if (values.length === length) return values;
	if (values.length === 0) return nullVector(node.type, length);
	return spread(values, validity);
}

function leafValidity(
	node: Extract<ReadNode, { kind: "leaf" }>,
	length: number,
	entries: number,
	definition: Uint8Array,
): Uint8Array {
	if (node.slot === 0 && node.definition === 1) {
		if (entries !== length) throw contradiction(node);
		return definition;
	}
	const validity = new Uint8Array(length);
	let slot = 0;
	for (let i = 0; i < entries; i++) {
		const level = definition[i] as number;
		if (level < node.slot) continue;
		if (level === node.definition) validity[slot] = 1;
		slot++;
	}
	if (slot !== length) throw contradiction(node);
	return validity;
}

/** Gives every valid slot its value; what is in a null's slot has no meaning. */
function spread(values: Vector, validity: Uint8Array): Vector {
	const { length } = validity;
	const slots = { length, validity };
	switch (values.kind) {
		case "bool":
			return {
				kind: values.kind,
				...slots,
				values: spreadInto(new Uint8Array(length), values.values, validity),
			};
		case "i32":
			return {
				kind: values.kind,
				...slots,
				values: spreadInto(new Int32Array(length), values.values, validity),
			};
		case "f32":
			return {
				kind: values.kind,
				...slots,
				values: spreadInto(new Float32Array(length), values.values, validity),
			};
		case "f64":
			return {
				kind: values.kind,
				...slots,
				values: spreadInto(new Float64Array(length), values.values, validity),
			};
		case "i64": {
			const spread = new BigInt64Array(length);
			spreadWords(wordsOf(spread), wordsOf(values.values), validity);
			return { kind: values.kind, ...slots, values: spread };
		}
		case "fixed16": {
			const spread = new Uint8Array(length * 16);
			let value = 0;
			for (let i = 0; i < length; i++) {
				if (validity[i] === 0) continue;
				spread.set(values.values.subarray(value, value + 16), i * 16);
				value += 16;
			}
			return { kind: values.kind, ...slots, values: spread };
		}
		case "bytes": {
			// The bytes stay where they are; a null's slot is empty.
			const offsets = new Int32Array(length + 1);
			let value = 0;
			offsets[0] = values.offsets[0] as number;
			for (let i = 0; i < length; i++) {
				value += validity[i] as number;
				offsets[i + 1] = values.offsets[value] as number;
			}
			return { ...values, ...slots, offsets };
		}
		default:
			throw new ParquetError(
				"PARQUET_INVALID",
				`a leaf has no vector of kind ${values.kind}`,
			);
	}
}

/*
 * The loops below write to null slots as well, whose content has no meaning: a branch on validity
 * would be guessed wrong again and again. They end with the last valid slot, after which there is
 * no value.
 */

function spreadInto<
	T extends Uint8Array | Int32Array | Float32Array | Float64Array,
>(out: T, values: T, validity: Uint8Array): T {
	const end = validity.lastIndexOf(1) + 1;
	let value = 0;
	for (let i = 0; i < end; i++) {
		out[i] = values[value] as number;
		value += validity[i] as number;
	}
	return out;
}

/** The same for values of two words: a BigInt each would be an object each. */
function spreadWords(
	out: Int32Array,
	words: Int32Array,
	validity: Uint8Array,
): void {
	const end = validity.lastIndexOf(1) + 1;
	let at = 0;
	for (let i = 0; i < end; i++) {
		out[2 * i] = words[at] as number;
		out[2 * i + 1] = words[at + 1] as number;
		at += (validity[i] as number) << 1;
	}
}

function assembleValidity(
	node: Placed,
	length: number,
	{ entries, repetition, definition }: DecodedChunk,
): Uint8Array | undefined {
	let slot = 0;
	let nulls = 0;
	const validity = new Uint8Array(length);
	if (definition === undefined && repetition === undefined) {
		if (entries !== length) throw contradiction(node);
		return undefined;
	}
	for (let i = 0; i < entries; i++) {
		if (repetition !== undefined && (repetition[i] as number) > node.depth)
			continue;
		const level = definition?.[i] ?? node.definition;
		if (definition !== undefined && level < node.slot) continue;
		if (slot === length) throw contradiction(node);
		if (level >= node.definition) validity[slot] = 1;
		else nulls++;
		slot++;
	}
	if (slot !== length) throw contradiction(node);
	return nulls === 0 ? undefined : validity;
}

function assembleOffsets(
	node: Extract<ReadNode, { kind: "list" | "map" }>,
	length: number,
	chunk: DecodedChunk,
): {
	readonly validity: Uint8Array | undefined;
	readonly offsets: Int32Array;
	readonly elements: number;
} {
	const validity = assembleValidity(node, length, chunk);
	const { entries, repetition, definition } = chunk;
	const offsets = new Int32Array(length + 1);
	let slot = 0;
	let elements = 0;
	for (let i = 0; i < entries; i++) {
		const rep = repetition === undefined ? 0 : (repetition[i] as number);
		const level =
			definition === undefined ? node.inner : (definition[i] as number);
		if (rep <= node.depth && level >= node.slot) offsets[slot++] = elements;
		if (rep <= node.depth + 1 && level >= node.inner) {
			if (slot === 0) throw contradiction(node);
			elements++;
		}
	}
	offsets.fill(elements, slot);
	return { validity, offsets, elements };
}

function contradiction(node: ReadNode): ParquetError {
	const anchor = node.kind === "missing" ? "" : ` of column ${node.anchor}`;
	return new ParquetError(
		"PARQUET_INVALID",
		`the levels${anchor} don't add up to the rows that the footer announces; the file is damaged`,
	);
}
