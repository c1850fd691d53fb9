import type { BytesVector, Vector } from "../vector.ts";
import { ByteSink } from "./bytes.ts";
import type { LeafSegment } from "./levels.ts";
import { wordsOf } from "./plain.ts";

/** The distinct values of a column chunk, and per live value its place among them. */
export interface Dictionary {
	readonly vector: Vector;
	readonly count: number;
	/** Of all segments' live values, one after another. */
	readonly indexes: Int32Array;
}

/** Values looked at before a dictionary is tried. */
const SAMPLE = 512;
/** Fewer repeats of a sample say nothing of the rest. */
const MIN_REPEATED = 16;
/** Distinct values that a chunk may begin with before they have to repeat. */
const UNPROVEN = 4096;
const MAX_ENTRIES = 1 << 16;
const MAX_BYTES = 1 << 20;

/**
 * Collects a chunk's distinct values, or gives up: where a sample has few repeats, or as soon as
 * the dictionary outgrows its limits, PLAIN values cost less.
 */
export function buildDictionary(
	segments: readonly LeafSegment[],
): Dictionary | undefined {
	const vector = segments[0]?.vector;
	let live = 0;
	for (const segment of segments) live += segment.levels.live.count;
	if (vector === undefined || live < 16) return undefined;
	switch (vector.kind) {
		case "bytes":
			return buildBytes(segments, live);
		case "i32":
		case "f32":
			return buildWords(segments, live, 1);
		case "i64":
		case "f64":
			return buildWords(segments, live, 2);
		default:
			return undefined;
	}
}

/** Distinct values so far that are still worth a dictionary. */
function worthwhile(distinct: number, seen: number): boolean {
	return distinct <= UNPROVEN + (seen >>> 2) && distinct <= MAX_ENTRIES;
}

/**
 * Whether values repeat each other enough, by 32-bit hashes of a sample at even strides. Of `d`
 * distinct values that are equally frequent, a sample of `n` has about n² / 2d pairs.
 */
function repeats(
	live: number,
	segments: readonly LeafSegment[],
	hashOf: (segment: LeafSegment, slot: number) => number,
): boolean {
	const seen = new Set<number>();
	const step = Math.max(1, Math.floor(live / SAMPLE));
	let looked = 0;
	let at = 0;
	for (const segment of segments) {
		const { slots, base, count } = segment.levels.live;
		for (; at < count; at += step) {
			const slot = slots === undefined ? base + at : (slots[at] as number);
			seen.add(hashOf(segment, slot));
			looked++;
		}
		at -= count;
	}
	const repeated = looked - seen.size;
	if (repeated * 2 >= looked) return true;
	const distinct = (looked * looked) / (2 * repeated);
	return repeated >= MIN_REPEATED && distinct * 4 <= live;
}

function buildWords(
	segments: readonly LeafSegment[],
	live: number,
	stride: 1 | 2,
): Dictionary | undefined {
	const sampled = repeats(live, segments, ({ vector }, slot) => {
		const words = vectorWords(vector);
		return stride === 1
			? (words[slot] as number)
			: hashPair(words[slot * 2] as number, words[slot * 2 + 1] as number);
	});
	if (!sampled) return undefined;
	const indexes = new Int32Array(live);
	let keys = new Int32Array(1024 * stride);
	let table = new Int32Array(2048);
	let mask = 2047;
	let distinct = 0;
	let at = 0;
	for (const { levels, vector } of segments) {
		const words = vectorWords(vector);
		const { slots, base, count } = levels.live;
		for (let i = 0; i < count; i++) {
			const slot = slots === undefined ? base + i : (slots[i] as number);
			const low = words[slot * stride] as number;
			const high = stride === 1 ? 0 : (words[slot * 2 + 1] as number);
			let place = hashPair(low, high) & mask;
			let index = (table[place] as number) - 1;
			while (index !== -1) {
				if (
					keys[index * stride] === low &&
					(stride === 1 || keys[index * 2 + 1] === high)
				)
					break;
				place = (place + 1) & mask;
				index = (table[place] as number) - 1;
			}
			if (index === -1) {
				index = distinct++;
				if (!worthwhile(distinct, at)) return undefined;
				keys[index * stride] = low;
				if (stride === 2) keys[index * 2 + 1] = high;
				table[place] = distinct;
				if (distinct * 2 > mask) {
					const more = new Int32Array(keys.length * 2);
					more.set(keys);
					keys = more;
					mask = mask * 2 + 1;
					table = new Int32Array(mask + 1);
					for (let k = 0; k < distinct; k++) {
						let free =
							hashPair(
								keys[k * stride] as number,
								stride === 1 ? 0 : (keys[k * 2 + 1] as number),
							) & mask;
						while (table[free] !== 0) free = (free + 1) & mask;
						table[free] = k + 1;
					}
				}
			}
			indexes[at++] = index;
		}
	}
	const kind = segments[0]?.vector.kind as "i32" | "f32" | "i64" | "f64";
	return {
		vector: wordsVector(kind, keys, distinct),
		count: distinct,
		indexes,
	};
}

function buildBytes(
	segments: readonly LeafSegment[],
	live: number,
): Dictionary | undefined {
	const sampled = repeats(live, segments, ({ vector }, slot) => {
		const { data, offsets } = vector as BytesVector;
		const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
		return hashBytes(
			view,
			offsets[slot] as number,
			offsets[slot + 1] as number,
		);
	});
	if (!sampled) return undefined;
	const indexes = new Int32Array(live);
	const keys = new ByteSink(16 * 1024);
	let ends = new Int32Array(1025);
	let hashes = new Int32Array(1024);
	let table = new Int32Array(2048);
	let mask = 2047;
	let distinct = 0;
	let at = 0;
	for (const { levels, vector } of segments) {
		const { data, offsets } = vector as BytesVector;
		const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
		const { slots, base, count } = levels.live;
		for (let i = 0; i < count; i++) {
			const slot = slots === undefined ? base + i : (slots[i] as number);
			const start = offsets[slot] as number;
			const end = offsets[slot + 1] as number;
			const hash = hashBytes(view, start, end);
			let place = hash & mask;
			let index = (table[place] as number) - 1;
			while (index !== -1) {
				if (hashes[index] === hash) {
					const from = ends[index] as number;
					if (
						(ends[index + 1] as number) - from === end - start &&
						equalBytes(keys.view, from, view, start, end - start)
					)
						break;
				}
				place = (place + 1) & mask;
				index = (table[place] as number) - 1;
			}
			if (index === -1) {
				index = distinct++;
				if (!worthwhile(distinct, at)) return undefined;
				keys.append(data.subarray(start, end));
				if (keys.length > MAX_BYTES) return undefined;
				hashes[index] = hash;
				ends[distinct] = keys.length;
				table[place] = distinct;
				if (distinct * 2 > mask) {
					const moreHashes = new Int32Array(hashes.length * 2);
					moreHashes.set(hashes);
					hashes = moreHashes;
					const moreEnds = new Int32Array(moreHashes.length + 1);
					moreEnds.set(ends);
					ends = moreEnds;
					mask = mask * 2 + 1;
					table = new Int32Array(mask + 1);
					for (let k = 0; k < distinct; k++) {
						let free = (hashes[k] as number) & mask;
						while (table[free] !== 0) free = (free + 1) & mask;
						table[free] = k + 1;
					}
				}
			}
			indexes[at++] = index;
		}
	}
	return {
		vector: {
			kind: "bytes",
			length: distinct,
			validity: undefined,
			offsets: ends.subarray(0, distinct + 1),
			data: keys.written(),
		},
		count: distinct,
		indexes,
	};
}

function hashPair(low: number, high: number): number {
	let hash = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca6b);
	hash ^= hash >>> 15;
	hash = Math.imul(hash, 0x2c1b3c6d);
	return hash ^ (hash >>> 13);
}

/** Hashes by words, the last of which may overlap the one before. */
function hashBytes(view: DataView, start: number, end: number): number {
	const length = end - start;
	let hash = length;
	if (length >= 4) {
		const last = end - 4;
		for (let i = start; i < last; i += 4) {
			hash = Math.imul(hash ^ view.getInt32(i, true), 0x9e3779b1);
			hash ^= hash >>> 15;
		}
		hash = Math.imul(hash ^ view.getInt32(last, true), 0x9e3779b1);
	} else {
		for (let i = start; i < end; i++)
			hash = Math.imul(hash ^ view.getUint8(i), 0x01000193);
	}
	hash ^= hash >>> 15;
	hash = Math.imul(hash, 0x2c1b3c6d);
	return hash ^ (hash >>> 13);
}

/** Compares the bytes `[from, from + length)` and `[start, start + length)`. */
function equalBytes(
	keys: DataView,
	from: number,
	data: DataView,
	start: number,
	length: number,
): boolean {
	if (length < 4) {
		for (let i = 0; i < length; i++) {
			if (keys.getUint8(from + i) !== data.getUint8(start + i)) return false;
		}
		return true;
	}
	const last = length - 4;
	for (let i = 0; i < last; i += 4) {
		if (keys.getInt32(from + i) !== data.getInt32(start + i)) return false;
	}
	return keys.getInt32(from + last) === data.getInt32(start + last);
}

function vectorWords(vector: Vector): Int32Array {
	switch (vector.kind) {
		case "i32":
		case "f32":
		case "i64":
		case "f64":
			return wordsOf(vector.values);
		default:
			return new Int32Array(0);
	}
}

function wordsVector(
	kind: "i32" | "f32" | "i64" | "f64",
	words: Int32Array<ArrayBuffer>,
	length: number,
): Vector {
	const { buffer } = words;
	const slots = { length, validity: undefined };
	switch (kind) {
		case "i32":
			return { kind, ...slots, values: words.subarray(0, length) };
		case "f32":
			return { kind, ...slots, values: new Float32Array(buffer, 0, length) };
		case "i64":
			return { kind, ...slots, values: new BigInt64Array(buffer, 0, length) };
		case "f64":
			return { kind, ...slots, values: new Float64Array(buffer, 0, length) };
	}
}
