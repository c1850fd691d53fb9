import { expect, test } from "vitest";
import type { ChangeMessage } from "../../../src/change/change.ts";
import { TableDecoder } from "../../../src/change/decoder.ts";
import type { DecoderOptions } from "../../../src/change/decoder-options.ts";
import { METADATA_COLUMNS } from "../../../src/change/metadata-columns.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import type { Batch } from "../../../src/columnar/vector.ts";
import { type Node, parseTree } from "./json-tree.ts";
import { RandomRecords } from "./random-records.ts";
import { relationalRow, relationalTable } from "./random-relational.ts";
import { ReferenceDecoder } from "./reference-decoder.ts";
import { rowsOf } from "./rows.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);
const SEQUENCES = Number(process.env.SEQUENCES ?? 11);
const RECORDS = 120;

const LEFT_OUT = new Set(
	METADATA_COLUMNS.map(({ name }) => name).filter(
		(name) => name !== "_cdc_operation",
	),
);

function rows(batch: Batch): Record<string, string>[] {
	return rowsOf(batch).map((row) =>
		Object.fromEntries(
			Object.entries(row).filter(([name]) => !LEFT_OUT.has(name)),
		),
	);
}

/** Structs without regard to the order of their fields. */
function canonical(row: Record<string, string>): Record<string, string> {
	const sorted = (node: Node): string => {
		switch (node.kind) {
			case "object":
				return `{${node.entries
					.map(([name, value]) => `${JSON.stringify(name)}:${sorted(value)}`)
					.sort()
					.join(",")}}`;
			case "array":
				return `[${node.items.map(sorted).join(",")}]`;
			default:
				return node.text;
		}
	};
	return Object.fromEntries(
		Object.entries(row).map(([name, text]) => [name, sorted(parseTree(text))]),
	);
}

const TABLE = struct(
	field("_id", "long"),
	field("id", "integer"),
	field("a", "decimal(12,3)"),
	field("b", "string"),
	field("e f", "double"),
	field("qty", "long"),
	field("long", "long"),
	field("real", "float"),
	field("decimal", "decimal(12,4)"),
	field("day", "timestamp_ntz"),
	field("small", "integer"),
	field("address", struct(field("zip", "integer"), field("city", "string"))),
	field("tags", array("long")),
	field("point", struct(field("x", "double"))),
);

const KEY = Buffer.from('{"id":1}');

function* mongoRecords(random: RandomRecords): Generator<ChangeMessage> {
	for (let offset = 0; ; offset++) {
		const op = random.pick([
			"c",
			"c",
			"u",
			"r",
			"c",
			"c",
			"d",
			random.pick(["t", "m", "x"]),
		]);
		const image = random.chance(60)
			? random.pick(["null", "5", "[]", "{}", '{"a":1}'])
			: random.quoted(random.document());
		const before = random.chance(4) ? random.quoted(random.document()) : "null";
		const parts = [
			`"before":${before}`,
			`"after":${op === "d" && !random.chance(5) ? "null" : image}`,
			`"updateDescription":${random.pick(["null", '{"removedFields":null,"updatedFields":"{\\"a\\": 1}"}'])}`,
			`"source":{"version":"3.6.1.Final","ts_ms":${1000 + random.below(1000)},"sequence":${random.pick(["null", '"[\\"1\\"]"'])},"lsid":null}`,
			`"op":"${op}"`,
			`"ts_ms":2000`,
			...(random.chance(30)
				? [`"after":${random.quoted(random.document())}`]
				: []),
			...(random.chance(30) ? ['"schema":null'] : []),
		];
		const order = random.chance(5) ? random.shuffled(parts) : parts;
		const payload = `{${order.map((part) => random.space() + part).join(",")}${random.space()}}`;
		const value = random.chance(6)
			? `{"schema":{"type":"struct","fields":[{"type":"string","field":"after"}]},"payload":${payload}}`
			: payload;
		yield message(
			random,
			offset,
			value,
			'{"id":"{\\"$oid\\": \\"6560aa0000000000000000aa\\"}"}',
		);
	}
}

function* relationalRecords(
	random: RandomRecords,
	schemas: "always" | "never" | "mixed",
): Generator<ChangeMessage> {
	const tables = [relationalTable(random), relationalTable(random)] as const;
	for (let offset = 0; ; offset++) {
		const table = random.chance(10) ? tables[1] : tables[0];
		const op = random.pick([
			"c",
			"c",
			"u",
			"r",
			"c",
			"c",
			"d",
			random.pick(["t", "m", "x"]),
		]);
		const image = relationalRow(random, table);
		const parts = [
			`"before":${random.chance(3) ? relationalRow(random, table) : "null"}`,
			`"after":${op === "d" && !random.chance(5) ? "null" : image}`,
			`"source":{"version":"3.6.1.Final","ts_ms":${1000 + random.below(1000)},"ts_us":${random.below(1e9)}}`,
			`"transaction":null`,
			`"op":"${op}"`,
		];
		const order = random.chance(8) ? random.shuffled(parts) : parts;
		const payload = `{${order.join(",")}}`;
		const withSchema =
			schemas === "always" || (schemas === "mixed" && random.chance(2));
		const around = [`"schema":${table.schema}`, `"payload":${payload}`];
		const value = withSchema
			? `{${(random.chance(12) ? around.reverse() : around).join(",")}}`
			: payload;
		yield message(random, offset, value, `{"id":${random.number()}}`);
	}
}

function message(
	random: RandomRecords,
	offset: number,
	value: string,
	key: string,
): ChangeMessage {
	const bytes = Buffer.from(value);
	return {
		topic: "t.shop.orders",
		partition: 0,
		offset,
		key: random.chance(30)
			? random.pick([
					null,
					Buffer.from("{}"),
					Buffer.from("5"),
					KEY,
					Buffer.from('{"id"'),
				])
			: Buffer.from(key),
		value: random.chance(8) ? random.damaged(bytes) : bytes,
	};
}

test.each([
	"mongodb",
	"relational with schema",
	"relational without schema",
	"relational, both",
])(
	"%s: each random record becomes the row, rescue or dead letter that the slow decoder makes of it",
	(kind) => {
		const source = kind === "mongodb" ? "mongodb" : "postgresql";
		for (let sequence = 0; sequence < SEQUENCES; sequence++) {
			const seed = SEED + sequence;
			const random = new RandomRecords(seed);
			const options: DecoderOptions = {
				source,
				mode: random.pick(["append", "upsert"]),
				tableSchema: random.chance(3) ? TABLE : undefined,
				onNewColumn: random.chance(4) ? "rescue" : "add",
				documents: random.chance(4) ? "json" : "columns",
				maxDepth: random.chance(3) ? random.below(4) : 32,
				onWiden: random.chance(3) ? "rescue" : "widen",
				decimals: random.chance(2)
					? undefined
					: random.pick([
							"decimal(38,10)",
							"decimal(20,4)",
							"decimal(6,2)",
							"decimal(3,0)",
						]),
			};
			const decoder = new TableDecoder(options);
			const reference = new ReferenceDecoder(options);
			const records =
				source === "mongodb"
					? mongoRecords(random)
					: relationalRecords(
							random,
							kind === "relational, both"
								? "mixed"
								: kind === "relational with schema"
									? "always"
									: "never",
						);
			const texts: string[] = [];
			for (let i = 0; i < RECORDS; i++) {
				const record = records.next().value as ChangeMessage;
				const hint = `SEED=${seed} SEQUENCES=1, record ${i}: ${Buffer.from(record.value ?? []).toString("latin1")}`;
				const { kind: outcome, ...own } = decoder.decode(record);
				const { kind: expected, ...right } = reference.decode(record);
				expect(
					{ outcome, ...own, message: "" },
					`${hint}\n${JSON.stringify(own)}`,
				).toEqual({ outcome: expected, ...right, message: "" });
				if (outcome === "row") texts.push(hint);
				else if (decoder.rows === 0) texts.length = 0;
				if (i % 40 === 39 || i === RECORDS - 1) {
					const actual = rows(decoder.finish(0).batch);
					const wanted = reference.finish();
					expect(actual.length, hint).toBe(wanted.length);
					for (const [n, row] of actual.entries())
						expect(canonical(row), texts[n]).toEqual(
							canonical(wanted[n] ?? {}),
						);
					texts.length = 0;
				}
			}
		}
	},
	60_000 + SEQUENCES * 5_000,
);
