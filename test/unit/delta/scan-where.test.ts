import { expect, test } from "vitest";
import { type DataType, field, struct } from "../../../src/columnar/types.ts";
import type { Row, Value } from "../../../src/columnar/vector.ts";
import type { AddFile } from "../../../src/delta/actions.ts";
import {
	enableMapping,
	physicalSchema,
} from "../../../src/delta/column-mapping.ts";
import { stageDeletionVectors } from "../../../src/delta/deletion-vector.ts";
import { serialisePartitionValue } from "../../../src/delta/partition.ts";
import { scanFiles } from "../../../src/delta/scan.ts";
import { bindPredicate } from "../../../src/expression/bind.ts";
import { evaluate } from "../../../src/expression/evaluate.ts";
import { parseExpression } from "../../../src/expression/parse.ts";
import { generator, pick, type Random, SEED } from "./random.ts";
import { engineOf, rowsFrom, rowsOf, store, tableOf } from "./scanned.ts";

const DATA: readonly (readonly [string, DataType])[] = [
	["a", "long"],
	["d", "double"],
	["t", "timestamp"],
	["s", "string"],
	["n", "decimal(10,2)"],
	["b", "boolean"],
];
const TABLE = struct(
	field("p", "integer"),
	...DATA.map(([name, type]) => field(name, type)),
	field("o", struct(field("x", "long"), field("y", "string"))),
);

const small = (random: Random): number => Math.floor(random() * 9) - 4;

/** A value and, in SQL, the literal of one. */
function value(random: Random, type: DataType): Value {
	if (random() < 0.2) return null;
	switch (type) {
		case "integer":
			return small(random);
		case "double":
			return pick(random, [small(random) / 2, -0, 0, Number.NaN, Infinity]);
		case "timestamp":
			return BigInt(small(random)) * 500n;
		case "string":
			return pick(random, [
				"",
				"a",
				"ab",
				"b",
				"ü",
				"\u{1f600}",
				"b".repeat(40),
				`${"b".repeat(40)}c`,
			]);
		case "decimal(10,2)":
			return { unscaled: BigInt(small(random)) * 25n, scale: 2 };
		case "boolean":
			return random() < 0.5;
		default:
			return BigInt(small(random));
	}
}

function literal(random: Random, type: DataType): string {
	const of = value(random, type);
	if (of === null) return "NULL";
	if (typeof of === "bigint")
		return type === "timestamp"
			? `TIMESTAMP'1970-01-01 00:00:00${of < 0n ? "" : `.${String(of).padStart(6, "0")}`}'`
			: String(of);
	if (typeof of === "string") return `'${of}'`;
	if (typeof of === "boolean") return String(of);
	if (typeof of === "number")
		return Number.isFinite(of) ? `${of}D` : `CAST('${of}' AS DOUBLE)`;
	const { unscaled } = of as { unscaled: bigint };
	return String(Number(unscaled) / 100);
}

const COLUMNS: readonly (readonly [string, DataType])[] = [
	...DATA,
	["p", "integer"],
	["o.x", "long"],
	["o.y", "string"],
];

function predicate(random: Random, depth: number): string {
	if (depth > 0 && random() < 0.5) {
		const [a, b] = [predicate(random, depth - 1), predicate(random, depth - 1)];
		return pick(random, [`(${a} AND ${b})`, `(${a} OR ${b})`, `NOT (${a})`]);
	}
	const [name, type] = pick(random, COLUMNS);
	const one = () => literal(random, type);
	return pick(random, [
		() =>
			`${name} ${pick(random, ["=", "<>", "<", "<=", ">", ">=", "<=>"])} ${one()}`,
		() => `${name} IS ${pick(random, ["", "NOT "])}NULL`,
		() => `${name} IN (${one()}, ${one()})`,
		() => `${name} BETWEEN ${one()} AND ${one()}`,
		() => `${one()} ${pick(random, ["=", "<", ">"])} ${name}`,
		() =>
			type === "string"
				? `${name} LIKE '${pick(random, ["a%", "%b", "b_", "bbb%"])}'`
				: `${name} = ${name}`,
	])();
}

async function randomTable(random: Random) {
	const engine = engineOf();
	const mode = pick(random, ["none", "name", "id"] as const);
	const { schema, configuration } =
		mode === "none"
			? { schema: TABLE, configuration: {} }
			: enableMapping(
					{ schema: TABLE, configuration: {} },
					{ mode, existing: false, uuid: engine.uuid },
				);
	const physical = physicalSchema(schema, mode);
	const [partition, ...stored] = physical.fields;
	const files: AddFile[] = [];
	for (let file = 0; file < 4; file++) {
		const few = random() < 0.5;
		const pools = stored.map(({ type }) =>
			Array.from({ length: few ? 2 : 8 }, () => cell(random, type)),
		);
		const rows = Array.from({ length: 1 + Math.floor(random() * 30) }, () =>
			Object.fromEntries(
				stored.map(({ name }, i) => [name, pick(random, pools[i] ?? [null])]),
			),
		);
		const text = serialisePartitionValue(value(random, "integer"), "integer");
		const add = await store(engine, `f${file}`, struct(...stored), rows, {
			fieldIds: mode === "id",
			rowGroupRows: pick(random, [3, 7, 100]),
			bloom:
				random() < 0.5
					? [
							[stored[0]?.name ?? ""],
							[stored[1]?.name ?? ""],
							[stored[3]?.name ?? ""],
						]
					: [],
			stats: random() < 0.7,
			add: { partitionValues: { [partition?.name ?? ""]: text } },
		});
		const gone = rows.flatMap((_, i) => (random() < 0.2 ? [i] : []));
		const [deletionVector] =
			gone.length === 0
				? []
				: stageDeletionVectors(
						[Uint32Array.from(gone)],
						"00000000-0000-4000-8000-000000000000",
					).descriptors;
		files.push(deletionVector === undefined ? add : { ...add, deletionVector });
	}
	return {
		engine,
		schema,
		table: tableOf(schema, files, { configuration, partitionColumns: ["p"] }),
	};
}

function cell(random: Random, type: DataType): Value {
	if (typeof type === "string") return value(random, type);
	if (type.type !== "struct" || random() < 0.2) return null;
	return Object.fromEntries(
		type.fields.map(({ name, type: inner }): [string, Value] => [
			name,
			value(random, inner),
		]),
	);
}

test("whatever is skipped, the rows are those that a filter over all rows keeps", async () => {
	const random = generator(SEED);
	let skipped = 0;
	for (let i = 0; i < 20; i++) {
		const { engine, schema, table } = await randomTable(random);
		for (let n = 0; n < 8; n++) {
			const text = predicate(random, 2);
			const note = `seed ${SEED}, ${i}.${n}: ${text}`;
			const where = bindPredicate(parseExpression(text), schema);
			const expected: Row[] = [];
			for await (const { batch } of scanFiles(engine, table)) {
				const truth = evaluate(where, batch);
				const rows = rowsFrom(batch) as Row[];
				for (const [at, row] of rows.entries())
					if (
						truth.kind === "bool" &&
						truth.values[at] === 1 &&
						truth.validity?.[at] !== 0
					)
						expected.push(row);
			}
			const reads = { bytes: 0 };
			const counting = {
				...engine,
				store: {
					...engine.store,
					get: async (...args: Parameters<typeof engine.store.get>) => {
						reads.bytes++;
						return await engine.store.get(...args);
					},
				},
			};
			const found = await rowsOf(counting, table, { where });
			expect(found, note).toEqual(expected);
			if (reads.bytes < 4) skipped++;
		}
	}
	expect(skipped).toBeGreaterThan(10);
});
