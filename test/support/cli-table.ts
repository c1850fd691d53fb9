import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Row } from "../../src/columnar/vector.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { loadSnapshot, type Snapshot } from "../../src/delta/snapshot.ts";
import { append, deleteRows } from "../../src/delta/write.ts";
import type { ObjectStore } from "../../src/storage/store.ts";
import { batchOf } from "./batch.ts";

/** What `table create --schema` is given for the table of `fillTable`. */
export const COLUMNS = `id long not null, day date, price decimal(24,4), at timestamp, local timestamp_ntz,
 name string comment 'as it''s spelt', ratio double, raw binary, tags array<string>,
 address struct<city: string, zip: int>, counts map<string, long>`;

const NOTHING: Row = {
	day: null,
	price: null,
	at: null,
	local: null,
	name: null,
	ratio: null,
	raw: null,
	tags: null,
	address: null,
	counts: null,
};

/** Values that a detour over a double, a millisecond or a careless CSV would lose. */
const FIRST: readonly Row[] = [
	{
		id: 9_007_199_254_740_993n,
		day: 20_696,
		price: { unscaled: 12_345_678_901_234_567_891n, scale: 4 },
		at: 1_788_185_109_000_001n,
		local: -1n,
		name: 'a "b", c\nd\u001b[31m',
		ratio: 0.1,
		raw: Uint8Array.of(0, 255),
		tags: ["x", null, ""],
		address: { city: "Ærø", zip: 5970 },
		counts: new Map([["n", -9_223_372_036_854_775_808n]]),
	},
	{ ...NOTHING, id: 2, day: 20_696, name: "", ratio: Number.NaN },
	{ ...NOTHING, id: 3, day: 20_696 },
];

const SECOND: readonly Row[] = [4, 5, 6].map((id) => ({
	...NOTHING,
	id,
	day: 20_697,
	name: `row ${id}`,
}));

export function engineOn(store: ObjectStore): Engine {
	return {
		store,
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
}

/** Versions 1 to 3 of a table of `COLUMNS`: two appends of three rows, then row 5 deleted. */
export async function fillTable(engine: Engine): Promise<Snapshot> {
	let table = await loadSnapshot(engine);
	if (table === undefined) throw new Error("make the table first");
	for (const rows of [FIRST, SECOND])
		table = await append(engine, table, [batchOf(table.schema, rows)]);
	return await deleteRows(engine, table, "id = 5");
}

/** The rows of version 3 as NDJSON has them. */
export const NDJSON = [
	String.raw`{"id":9007199254740993,"day":"2026-08-31","price":1234567890123456.7891,"at":"2026-08-31T14:05:09.000001Z","local":"1969-12-31T23:59:59.999999","name":"a \"b\", c\nd\u001b[31m","ratio":0.1,"raw":"AP8=","tags":["x",null,""],"address":{"city":"Ærø","zip":5970},"counts":{"n":-9223372036854775808}}`,
	`{"id":2,"day":"2026-08-31","price":null,"at":null,"local":null,"name":"","ratio":"NaN","raw":null,"tags":null,"address":null,"counts":null}`,
	`{"id":3,"day":"2026-08-31","price":null,"at":null,"local":null,"name":null,"ratio":null,"raw":null,"tags":null,"address":null,"counts":null}`,
	`{"id":4,"day":"2026-09-01","price":null,"at":null,"local":null,"name":"row 4","ratio":null,"raw":null,"tags":null,"address":null,"counts":null}`,
	`{"id":6,"day":"2026-09-01","price":null,"at":null,"local":null,"name":"row 6","ratio":null,"raw":null,"tags":null,"address":null,"counts":null}`,
];
