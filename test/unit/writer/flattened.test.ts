import { expect, test } from "vitest";
import { toJson, valueAt } from "../../../src/columnar/value.ts";
import { readTable } from "../../../src/delta/scan.ts";
import {
	documentChange,
	type RecordText,
	WrittenTable,
} from "../../support/written-table.ts";

const OID = "6560aa0000000000000000aa";

function flat(key: object | null, row: object | null): RecordText {
	return {
		key: key === null ? null : JSON.stringify(key),
		value: row === null ? null : JSON.stringify(row),
	};
}

test("flattened relational rows make a mirror: columns named like an envelope's parts are columns, tombstones deletes", async () => {
	const table = new WrittenTable({ source: "postgresql", mode: "upsert" });
	const outcomes = await table.feed(
		flat({ id: 1 }, { id: 1, status: "new", op: "t", after: "x", ddl: "y" }),
		flat({ id: 2 }, { id: 2, status: "new", op: "c", before: null }),
		flat({ id: 3 }, { id: 3, payload: { a: 1 }, schema: 5 }),
	);
	expect(outcomes.map((one) => one?.kind)).toEqual(["row", "row", "row"]);
	await table.flush();
	table.restart();
	await table.write(
		flat({ id: 1 }, null),
		flat({ id: 3 }, { id: 3, status: "paid" }),
	);
	const rows = await table.rows();
	expect(rows.sort((a, b) => Number(a.id) - Number(b.id))).toEqual([
		{ id: "2", status: '"new"', op: '"c"' },
		{ id: "3", status: '"paid"' },
	]);
	expect((await table.snapshot()).metadata.configuration).toMatchObject({
		"tributary.records": "flattened",
	});
});

test("__op, __deleted and __source_ts_ms say what they do in an envelope, and are no columns", async () => {
	const table = new WrittenTable({ source: "postgresql", mode: "append" });
	await table.write(
		flat(
			{ id: 1 },
			{
				id: 1,
				v: "a",
				__op: "r",
				__table: "t",
				__source_ts_ms: 1500,
				__deleted: "false",
			},
		),
		flat(
			{ id: 1 },
			{ id: 1, v: null, __op: "d", __deleted: "true", __source_ts_ms: 2500 },
		),
		// The tombstone after a rewritten delete says nothing new.
		flat({ id: 1 }, null),
		flat({ id: 2 }, { id: 2, v: "b" }),
		flat({ id: 2 }, null),
	);
	expect(await history(table)).toEqual([
		'0 r 1 "a" 1970-01-01T00:00:01.500000Z "t"',
		"1 d 1 - 1970-01-01T00:00:02.500000Z -",
		'3 u 2 "b" - -',
		"4 d 2 - - -",
	]);
});

test("a Connect schema types flattened rows as it types those in envelopes", async () => {
	const table = new WrittenTable({ source: "postgresql", mode: "upsert" });
	const schema = (fields: readonly object[]) => ({
		type: "struct",
		name: "t.shop.things.Value",
		fields,
	});
	const row = (id: number, more: object) => ({
		key: JSON.stringify({
			schema: { type: "struct", fields: [{ type: "int32", field: "id" }] },
			payload: { id },
		}),
		value: JSON.stringify({
			schema: schema([
				{ type: "int32", field: "id" },
				{ type: "int32", name: "io.debezium.time.Date", field: "day" },
				{
					type: "bytes",
					name: "org.apache.kafka.connect.data.Decimal",
					parameters: { scale: "2", "connect.decimal.precision": "10" },
					field: "price",
				},
				{ type: "string", field: "__deleted" },
			]),
			payload: { id, day: 20454, price: "BOI=", __deleted: "false", ...more },
		}),
	});
	await table.write(row(1, {}), row(2, {}));
	table.restart();
	await table.write(row(2, { __deleted: "true" }));
	expect(await table.types()).toEqual({
		id: "integer",
		day: "date",
		price: "decimal(10,2)",
	});
	expect(await table.rows()).toEqual([
		{ id: "1", day: '"2026-01-01"', price: "12.50" },
	]);
});

test("flattened documents: _id from the row, and of deleted rows from the key", async () => {
	const table = new WrittenTable({ source: "mongodb", mode: "upsert" });
	await table.write(
		flat({ id: OID }, { _id: OID, v: { a: 1 }, __deleted: false }),
		flat({ id: 5 }, { _id: 5, v: { a: 2 } }),
		flat({ id: "x" }, { _id: "x", v: { a: 3 } }),
	);
	// 5 is no text, as the first _id was.
	expect((await table.rows()).map(({ _id }) => _id).sort()).toEqual([
		'"6560aa0000000000000000aa"',
		'"x"',
		undefined,
	]);
	table.restart();
	await table.write(
		flat({ id: OID }, { __deleted: true }),
		flat({ id: "x" }, null),
	);
	expect((await table.rows()).map(({ v }) => v)).toEqual(['{"a":2}']);
});

test("soft deletes keep what a rewritten delete holds, though its tombstone follows", async () => {
	const table = new WrittenTable({
		source: "postgresql",
		mode: "upsert",
		config: { deletes: "soft" },
	});
	await table.write(flat({ id: 1 }, { id: 1, v: "a", __deleted: "false" }));
	await table.write(
		flat({ id: 1 }, { id: 1, v: "a", __deleted: "true" }),
		flat({ id: 1 }, null),
	);
	expect(await table.rows()).toEqual([{ id: "1", v: '"a"', _deleted: "true" }]);
});

test("where envelopes come, tombstones stay without effect, and what is neither is a dead letter", async () => {
	const table = new WrittenTable({ source: "mongodb", mode: "append" });
	const outcomes = await table.feed(
		documentChange('{"_id":1}'),
		flat({ id: "1" }, null),
		flat({ id: "1" }, { hello: "world" }),
		flat(null, { _id: 1 }),
		flat({ serverName: "t" }, { ts_ms: 5 }),
		flat(
			{ id: "1:2" },
			{ status: "END", id: "1:2", event_count: 1, data_collections: [] },
		),
	);
	expect(
		outcomes.map((one) =>
			one?.kind === "skip"
				? one.reason
				: one?.kind === "dead-letter"
					? one.code
					: "row",
		),
	).toEqual([
		"row",
		"tombstone",
		"ENVELOPE_UNKNOWN",
		"ENVELOPE_UNKNOWN",
		"heartbeat",
		"transaction",
	]);
	await table.flush();
	expect((await table.snapshot()).metadata.configuration).not.toHaveProperty(
		"tributary.records",
	);
});

test("a connector that goes back from flattened records to envelopes makes tombstones mean nothing again", async () => {
	const table = new WrittenTable({ source: "mongodb", mode: "append" });
	await table.write(flat({ id: 1 }, { _id: 1, n: 1 }));
	table.restart();
	const outcomes = await table.feed(
		documentChange('{"_id":2,"n":2}'),
		flat({ id: "2" }, null),
	);
	expect(outcomes.map((one) => one?.kind)).toEqual(["row", "skip"]);
	await table.flush();
	expect((await table.snapshot()).metadata.configuration).toMatchObject({
		"tributary.records": "envelopes",
	});
});

/** Offset, operation, id, v, time and __table of each row. */
async function history(table: WrittenTable): Promise<string[]> {
	const rows: string[] = [];
	const snapshot = await table.snapshot();
	for await (const batch of readTable(table.engine, snapshot))
		for (let row = 0; row < batch.length; row++) {
			const read = (name: string): string => {
				const i = batch.schema.fields.findIndex((one) => one.name === name);
				const [vector, field] = [batch.columns[i], batch.schema.fields[i]];
				if (vector === undefined || field === undefined) return "-";
				const value = valueAt(vector, field.type, row);
				return value === null ? "-" : toJson(value, field.type);
			};
			const plain = (name: string): string => read(name).replaceAll('"', "");
			rows.push(
				`${read("_kafka_offset")} ${plain("_cdc_operation")} ${read("id")} ${read("v")} ${plain("_cdc_timestamp")} ${read("__table")}`,
			);
		}
	return rows.sort();
}
