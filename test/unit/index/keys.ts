import { field, struct } from "../../../src/columnar/types.ts";
import type { Vector } from "../../../src/columnar/vector.ts";
import type { Places } from "../../../src/index/journal.ts";
import type { KeyBatch } from "../../../src/index/key-batch.ts";
import { encodeKeys, seedOfTable } from "../../../src/index/key-encoder.ts";

const SEED = seedOfTable("a table");

/** Keys of one column of texts, or of numbers. */
export function keysOf(
	values: readonly string[] | readonly number[],
): KeyBatch {
	const type = typeof values[0] === "number" ? "long" : "string";
	return encodeKeys(
		[{ name: "id", type, vector: vectorOf(values) }],
		values.length,
		{ seed: SEED },
	);
}

export function placesOf(
	values: readonly string[] | readonly number[],
	files: readonly number[],
	rows: readonly number[],
): Places {
	return {
		keys: keysOf(values),
		files: Uint32Array.from(files),
		rows: Uint32Array.from(rows),
	};
}

export const KEY_SCHEMA = struct(field("id", "string"));

function vectorOf(values: readonly string[] | readonly number[]): Vector {
	const length = values.length;
	if (typeof values[0] === "number")
		return {
			kind: "i64",
			length,
			validity: undefined,
			values: BigInt64Array.from(values as readonly number[], BigInt),
		};
	const texts = values as readonly string[];
	const data = Buffer.from(texts.join(""));
	const offsets = new Int32Array(length + 1);
	for (const [i, text] of texts.entries())
		offsets[i + 1] = (offsets[i] as number) + Buffer.byteLength(text);
	return { kind: "bytes", length, validity: undefined, offsets, data };
}
