import type { Vector } from "../vector.ts";
import { ParquetError } from "./errors.ts";
import type { SchemaNode } from "./schema.ts";

/*
 * Repetition and definition levels (Dremel). An entry of a leaf is a value or the place where one
 * is missing. Its definition level counts the optional and repeated fields on its path that are
 * there; its repetition level says at which repeated field of the path it continues a list, 0 for
 * a new row. The values of the entries whose definition level is the leaf's maximum are the page's
 * values: here they are the `live` slots.
 */

/** Slots of a vector: `slots[i]`, or `base + i` where `slots` is undefined. */
export interface Live {
	readonly slots: Int32Array | undefined;
	readonly base: number;
	readonly count: number;
}

export interface Levels {
	readonly entries: number;
	/** `undefined` where all are 0. */
	readonly repetition: Uint8Array | undefined;
	/** `undefined` where all are at the maximum, so that every entry is live. */
	readonly definition: Uint8Array | undefined;
	readonly live: Live;
}

/** A leaf's entries from one vector. */
export interface LeafSegment {
	readonly levels: Levels;
	readonly vector: Vector;
}

export interface LevelWalk {
	/** Takes the entries of a leaf column, by its index. */
	readonly leaf: (index: number, segment: LeafSegment) => void;
	/** Takes the nulls of a list, map or variant, by the index of its first leaf. */
	readonly container: (firstLeaf: number, nulls: number) => void;
}

export function rowLevels(from: number, to: number): Levels {
	return {
		entries: to - from,
		repetition: undefined,
		definition: undefined,
		live: { slots: undefined, base: from, count: to - from },
	};
}

/**
 * Walks a field's vector and hands the levels of each leaf over. `max` is the definition level of
 * what is live in `levels`, `repetition` the number of repeated fields above.
 *
 * @throws ParquetError where a required field has a null or a vector is of another kind
 */
export function walkLevels(
	node: SchemaNode,
	vector: Vector,
	levels: Levels,
	walk: LevelWalk,
	max = 0,
	repetition = 0,
): void {
	const present = node.nullable
		? optional(levels, vector.validity, max)
		: required(levels, vector.validity, node.name);
	const depth = node.nullable ? max + 1 : max;
	switch (node.kind) {
		case "leaf":
			walk.leaf(node.column.index, { levels: present, vector });
			return;
		case "struct":
			if (vector.kind !== "struct") throw mismatch(node, vector);
			if (node.opaque && repetition === 0)
				countNulls(node, present, depth, walk);
			for (const { child, node: field } of node.fields) {
				const member = vector.children[child];
				if (member === undefined) throw mismatch(node, vector);
				walkLevels(field, member, present, walk, depth, repetition);
			}
			return;
		case "list": {
			if (vector.kind !== "list") throw mismatch(node, vector);
			if (repetition === 0) countNulls(node, present, depth, walk);
			const inner = repeated(present, vector.offsets, depth, repetition + 1);
			walkLevels(
				node.element,
				vector.child,
				inner,
				walk,
				depth + 1,
				repetition + 1,
			);
			return;
		}
		case "map": {
			if (vector.kind !== "map") throw mismatch(node, vector);
			if (repetition === 0) countNulls(node, present, depth, walk);
			const inner = repeated(present, vector.offsets, depth, repetition + 1);
			walkLevels(node.key, vector.keys, inner, walk, depth + 1, repetition + 1);
			walkLevels(
				node.value,
				vector.values,
				inner,
				walk,
				depth + 1,
				repetition + 1,
			);
			return;
		}
	}
}

/** Index of the first leaf column at or under a node. */
export function firstLeaf(node: SchemaNode): number {
	switch (node.kind) {
		case "leaf":
			return node.column.index;
		case "struct":
			return firstLeaf(node.fields[0]?.node as SchemaNode);
		case "list":
			return firstLeaf(node.element);
		case "map":
			return firstLeaf(node.key);
	}
}

function countNulls(
	node: SchemaNode,
	levels: Levels,
	depth: number,
	walk: LevelWalk,
): void {
	let nulls = 0;
	if (levels.definition !== undefined) {
		for (let i = 0; i < levels.entries; i++) {
			if ((levels.definition[i] as number) < depth) nulls++;
		}
	}
	walk.container(firstLeaf(node), nulls);
}

function required(
	levels: Levels,
	validity: Uint8Array | undefined,
	name: string,
): Levels {
	if (validity !== undefined) {
		const valid = countValid(validity, levels.live);
		if (valid < levels.live.count) {
			throw new ParquetError(
				"PARQUET_INVALID",
				`${levels.live.count - valid} nulls in the field ${JSON.stringify(name)}, which is not nullable; make the field nullable or reject the rows`,
			);
		}
	}
	return levels;
}

function optional(
	levels: Levels,
	validity: Uint8Array | undefined,
	max: number,
): Levels {
	const { entries, definition, live } = levels;
	const valid =
		validity === undefined ? live.count : countValid(validity, live);
	if (validity === undefined || valid === live.count) {
		if (definition === undefined) return levels;
		const raised = new Uint8Array(entries);
		for (let i = 0; i < entries; i++) {
			const level = definition[i] as number;
			raised[i] = level === max ? max + 1 : level;
		}
		return { ...levels, definition: raised };
	}
	const { slots, base } = live;
	const kept = new Int32Array(valid);
	let k = 0;
	if (definition === undefined) {
		if (slots === undefined && max === 0) {
			for (let i = 0; i < entries; i++) {
				if (validity[base + i] === 1) kept[k++] = base + i;
			}
			return {
				...levels,
				definition: validity.subarray(base, base + entries),
				live: { slots: kept, base: 0, count: valid },
			};
		}
		const lowered = new Uint8Array(entries);
		for (let i = 0; i < entries; i++) {
			const slot = slots === undefined ? base + i : (slots[i] as number);
			const there = validity[slot] as number;
			lowered[i] = max + there;
			if (there === 1) kept[k++] = slot;
		}
		return {
			...levels,
			definition: lowered,
			live: { slots: kept, base: 0, count: valid },
		};
	}
	const changed = new Uint8Array(entries);
	let n = 0;
	for (let i = 0; i < entries; i++) {
		const level = definition[i] as number;
		if (level < max) {
			changed[i] = level;
			continue;
		}
		const slot = slots === undefined ? base + n : (slots[n] as number);
		n++;
		if (validity[slot] === 1) {
			changed[i] = max + 1;
			kept[k++] = slot;
		} else {
			changed[i] = max;
		}
	}
	return {
		...levels,
		definition: changed,
		live: { slots: kept, base: 0, count: valid },
	};
}

/** An entry per element; a missing or empty list keeps its one entry. */
function repeated(
	levels: Levels,
	offsets: Int32Array,
	max: number,
	depth: number,
): Levels {
	const { entries, definition, repetition, live } = levels;
	const { slots, base, count } = live;
	let children = 0;
	let empty = 0;
	let contiguous = true;
	let next = -1;
	for (let n = 0; n < count; n++) {
		const slot = slots === undefined ? base + n : (slots[n] as number);
		const start = offsets[slot] as number;
		const size = (offsets[slot + 1] as number) - start;
		if (size === 0) {
			empty++;
			continue;
		}
		if (next !== -1 && start !== next) contiguous = false;
		next = start + size;
		children += size;
	}
	const first = next - children;
	const total = entries - count + empty + children;
	const reps = new Uint8Array(total);
	const defs = total === children ? undefined : new Uint8Array(total);
	const childSlots = contiguous ? undefined : new Int32Array(children);
	let at = 0;
	let n = 0;
	let c = 0;
	for (let i = 0; i < entries; i++) {
		const rep = repetition === undefined ? 0 : (repetition[i] as number);
		const level = definition === undefined ? max : (definition[i] as number);
		if (level < max) {
			reps[at] = rep;
			if (defs !== undefined) defs[at] = level;
			at++;
			continue;
		}
		const slot = slots === undefined ? base + n : (slots[n] as number);
		n++;
		const start = offsets[slot] as number;
		const size = (offsets[slot + 1] as number) - start;
		if (size === 0) {
			reps[at] = rep;
			if (defs !== undefined) defs[at] = max;
			at++;
			continue;
		}
		for (let j = 0; j < size; j++) {
			reps[at] = j === 0 ? rep : depth;
			if (defs !== undefined) defs[at] = max + 1;
			if (childSlots !== undefined) childSlots[c++] = start + j;
			at++;
		}
	}
	return {
		entries: total,
		repetition: reps,
		definition: defs,
		live: {
			slots: childSlots,
			base: children === 0 ? 0 : first,
			count: children,
		},
	};
}

function countValid(validity: Uint8Array, live: Live): number {
	const { slots, base, count } = live;
	let valid = 0;
	if (slots === undefined) {
		for (let i = base; i < base + count; i++) valid += validity[i] as number;
	} else {
		for (let i = 0; i < count; i++)
			valid += validity[slots[i] as number] as number;
	}
	return valid;
}

function mismatch(node: SchemaNode, vector: Vector): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`the field ${JSON.stringify(node.name)} is a ${node.kind} in the schema, but its vector is of kind ${vector.kind}`,
	);
}
