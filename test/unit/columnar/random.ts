import { vectorOf } from "../../../src/columnar/literal.ts";
import type { DataType, StructType } from "../../../src/columnar/types.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import { valueAt } from "../../../src/columnar/value.ts";
import type { Batch, Row, Value } from "../../../src/columnar/vector.ts";

/** Numbers from a seed (mulberry32): the same seed gives the same test. */
export interface Random {
	/** In [0, 1). */
	readonly next: () => number;
	/** In [0, n). */
	readonly below: (n: number) => number;
	readonly chance: (p: number) => boolean;
	readonly pick: <T>(items: readonly T[]) => T;
	readonly int64: () => bigint;
}

export function random(seed: number): Random {
	let state = seed >>> 0;
	const next = (): number => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
	const below = (n: number): number => Math.floor(next() * n);
	return {
		next,
		below,
		chance: (p) => next() < p,
		pick: (items) => items[below(items.length)] as (typeof items)[number],
		int64: () =>
			BigInt.asIntN(
				64,
				(BigInt(below(2 ** 32)) << 32n) | BigInt(below(2 ** 32)),
			),
	};
}

const PRIMITIVES: readonly DataType[] = [
	"boolean",
	"byte",
	"short",
	"integer",
	"date",
	"long",
	"timestamp",
	"timestamp_ntz",
	"decimal(9,2)",
	"decimal(18,0)",
	"decimal(19,19)",
	"decimal(38,6)",
	"float",
	"double",
	"string",
	"binary",
];

export function randomSchema(rng: Random, fields: number): StructType {
	return struct(
		...Array.from({ length: fields }, (_, i) =>
			field(`f${i}`, randomType(rng, 3), { nullable: rng.chance(0.7) }),
		),
	);
}

export function randomType(rng: Random, depth: number): DataType {
	if (depth === 0 || rng.chance(0.55)) return rng.pick(PRIMITIVES);
	switch (rng.below(3)) {
		case 0:
			return struct(
				...Array.from({ length: 1 + rng.below(3) }, (_, i) =>
					field(`m${i}`, randomType(rng, depth - 1), {
						nullable: rng.chance(0.7),
					}),
				),
			);
		case 1:
			return array(randomType(rng, depth - 1), rng.chance(0.6));
		default:
			return {
				type: "map",
				keyType: rng.pick(["string", "long", "date"] as const),
				valueType: randomType(rng, depth - 1),
				valueContainsNull: rng.chance(0.6),
			};
	}
}

/** How a column's values are drawn: some repeat, some are never null, some always. */
interface Habit {
	readonly nulls: number;
	readonly distinct: number;
}

export function randomBatch(
	rng: Random,
	schema: StructType,
	length: number,
): Batch {
	const columns = schema.fields.map(({ type, nullable }) => {
		const habit: Habit = {
			nulls: nullable ? rng.pick([0, 0.1, 0.5, 0.95, 1]) : 0,
			distinct: rng.pick([1, 3, 40, Number.POSITIVE_INFINITY]),
		};
		const pool: Value[] = [];
		const values = Array.from({ length }, () => {
			if (rng.chance(habit.nulls)) return null;
			if (pool.length >= habit.distinct) return rng.pick(pool);
			const value = randomValue(rng, type);
			pool.push(value);
			return value;
		});
		return vectorOf(type, values);
	});
	return { schema, length, columns };
}

export function randomValue(rng: Random, type: DataType): Value {
	if (typeof type !== "string") {
		switch (type.type) {
			case "struct": {
				const row: Record<string, Value> = {};
				for (const { name, type: inner, nullable } of type.fields)
					row[name] =
						nullable && rng.chance(0.3) ? null : randomValue(rng, inner);
				return row;
			}
			case "array":
				return Array.from({ length: rng.pick([0, 0, 1, 2, 5]) }, () =>
					type.containsNull && rng.chance(0.3)
						? null
						: randomValue(rng, type.elementType),
				);
			case "map":
				return new Map(
					Array.from({ length: rng.pick([0, 1, 3]) }, () => [
						randomValue(rng, type.keyType),
						type.valueContainsNull && rng.chance(0.3)
							? null
							: randomValue(rng, type.valueType),
					]),
				);
		}
	}
	switch (type) {
		case "boolean":
			return rng.chance(0.5);
		case "byte":
			return rng.below(256) - 128;
		case "short":
			return rng.below(65_536) - 32_768;
		case "integer":
			return rng.pick([
				-(2 ** 31),
				2 ** 31 - 1,
				0,
				rng.below(2 ** 32) - 2 ** 31,
			]);
		case "date":
			return rng.below(40_000) - 10_000;
		case "long":
			return rng.pick([-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, rng.int64()]);
		case "timestamp":
		case "timestamp_ntz":
			// From the year 1 to the year 9999.
			return (rng.int64() % 250_000_000_000_000_000n) % 60_000_000_000_000_000n;
		case "float":
			return Math.fround(
				rng.pick([0, -0, 1.5, Number.NEGATIVE_INFINITY, rng.next() * 1e10]),
			);
		case "double":
			return rng.pick([0, -0, 5e-324, Number.MAX_VALUE, rng.next() - 0.5]);
		case "string":
			return rng.pick([
				"",
				"a",
				"ü€😀",
				"x".repeat(rng.below(200)),
				String(rng.next()),
			]);
		case "binary":
			return Uint8Array.from({ length: rng.below(20) }, () => rng.below(256));
	}
	const parts = /^decimal\((\d+),(\d+)\)$/.exec(type);
	if (parts === null) throw new Error(`no values for ${type}`);
	const limit = 10n ** BigInt(parts[1] as string);
	const magnitude =
		((rng.int64() << 64n) | BigInt.asUintN(64, rng.int64())) % limit;
	return {
		unscaled: rng.pick([limit - 1n, 1n - limit, 0n, magnitude]),
		scale: Number(parts[2]),
	};
}

/** All rows of some batches as values. */
export function rowsOf(batches: readonly Batch[]): Row[] {
	return batches.flatMap(({ schema, length, columns }) =>
		Array.from({ length }, (_, i) =>
			Object.fromEntries(
				schema.fields.map(({ name, type }, c) => [
					name,
					valueAt(columns[c] as Batch["columns"][number], type, i),
				]),
			),
		),
	);
}
