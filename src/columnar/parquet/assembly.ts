import { takeVector } from "../batch.ts";
import { nullVector } from "../literal.ts";
import type { BytesVector, Vector } from "../vector.ts";
import type { DecodedChunk } from "./decode.ts";
import { ParquetError } from "./errors.ts";
import type { ReadNode } from "./projection.ts";

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
	// A null's slot repeats a value that is there anyway.
	const slots = new Int32Array(length);
	const validity = new Uint8Array(length);
	let slot = 0;
	let value = 0;
	for (let i = 0; i < chunk.entries; i++) {
		const level = definition[i] as number;
		if (level < node.slot) continue;
		if (level === node.definition) {
			validity[slot] = 1;
			slots[slot++] = value++;
		} else {
			slots[slot++] = Math.max(0, value - 1);
		}
	}
	if (slot !== length || value !== values.length) throw contradiction(node);
	if (value === length) return values;
	if (value === 0) return nullVector(node.type, length);
	if (values.kind === "bytes") return spread(values, validity);
	return { ...takeVector(values, slots), validity };
}

/** The bytes stay where they are; a null's slot is empty. */
function spread(values: BytesVector, validity: Uint8Array): BytesVector {
	const { length } = validity;
	const offsets = new Int32Array(length + 1);
	let value = 0;
	for (let i = 0; i < length; i++) {
		if (validity[i] === 1) value++;
		offsets[i + 1] = values.offsets[value] as number;
	}
	return { ...values, length, validity, offsets };
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
