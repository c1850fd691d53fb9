import { expect, test } from "vitest";
import { field, struct } from "../../../src/columnar/types.ts";
import { type Alteration, alterTable } from "../../../src/delta/alter.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";
import { writerConfigFromEnvironment } from "../../../src/writer/environment.ts";
import {
	DEFAULT_SCHEMA,
	type SchemaConfig,
	schemaRules,
} from "../../../src/writer/schema-rules.ts";
import { documentChange, WrittenTable } from "../../support/written-table.ts";

test("a frozen table gets no column and no wider type: such records are dead letters", async () => {
	const table = tableWith({ contract: "freeze" });
	await table.write(documentChange('{"_id":1,"n":1,"in":{"a":1}}'));
	// Whether the writer has made the table or finds it there makes no difference.
	for (const again of [false, true]) {
		if (again) table.restart();
		const outcomes = await table.feed(
			documentChange('{"_id":2,"n":2,"new":1}'),
			documentChange('{"_id":3,"n":"text"}'),
			documentChange('{"_id":4,"in":{"b":1}}'),
			documentChange('{"_id":5,"n":5,"new":null}'),
		);
		expect(
			outcomes.map((one) =>
				one?.kind === "dead-letter" ? [one.code, one.message] : one?.kind,
			),
		).toEqual([
			["SCHEMA_FROZEN", expect.stringContaining('{"new":1}')],
			["SCHEMA_FROZEN", expect.stringContaining('{"n":"text"}')],
			["SCHEMA_FROZEN", expect.stringContaining('{"in.b":1}')],
			"row",
		]);
		await table.flush();
	}
	expect(
		Object.keys(await table.types()).filter(
			(one) => !/^_(cdc|kafka|ingestion)_/.test(one),
		),
	).toEqual(["_id", "n", "in"]);
	expect((await table.rows()).map(({ _id }) => _id).sort()).toEqual([
		"1",
		"5",
		"5",
	]);
});

test("with contract rescue new fields and types are kept beside the row, from the second batch on", async () => {
	const table = tableWith({ contract: "rescue" });
	await table.write(documentChange('{"_id":1,"n":1,"in":{"a":1}}'));
	await table.write(
		documentChange('{"_id":2,"n":"2","in":{"a":2,"b":[1]},"x.y":{"z":1}}'),
	);
	expect((await table.rows()).find(({ _id }) => _id === "2")).toEqual({
		_id: "2",
		in: '{"a":2}',
		_rescued_data: JSON.stringify('{"n":"2","in.b":[1],"`x.y`":{"z":1}}'),
	});
});

test("rules of a single table come before those of all tables", () => {
	const config: SchemaConfig = {
		...DEFAULT_SCHEMA,
		onWiden: "rescue",
		tables: [
			{ table: /^shop\.audit$/, rules: { contract: "freeze" } },
			{ table: /^shop\..*$/, rules: { onNewColumn: "rescue" } },
		],
	};
	expect(schemaRules(config, "shop.audit")).toMatchObject({
		contract: "freeze",
		onNewColumn: "rescue",
	});
	expect(schemaRules(config, "shop.orders")).toMatchObject({
		contract: "evolve",
		onNewColumn: "rescue",
		onWiden: "rescue",
	});
	expect(schemaRules(config, "other.orders")).toMatchObject({
		onNewColumn: "add",
	});
});

test("contracts in the environment are for all tables or for one, and a wrong one is named", () => {
	const read = (text: string) =>
		writerConfigFromEnvironment({
			KAFKA_BOOTSTRAP_SERVERS: "k:9092",
			KAFKA_TOPIC_PATTERN: ".*",
			DELTA_TABLE_BASE_PATH: "file:///lake",
			DELTA_SCHEMA_CONTRACT: text,
			DELTA_SCHEMA_CACHE_TTL: "7",
		}).schema ?? DEFAULT_SCHEMA;
	const config = read("rescue, shop.orders=freeze,shop.log.*=evolve");
	expect(config.cacheTtlMs).toBe(7000);
	expect(schemaRules(config, "shop.orders").contract).toBe("freeze");
	expect(schemaRules(config, "shop.logs").contract).toBe("evolve");
	expect(schemaRules(config, "shop.other").contract).toBe("rescue");
	expect(() => read("frozen")).toThrow(/frozen is none of evolve, rescue/);
	expect(() => read("a=b")).toThrow(/b is none of/);
	expect(() => read("(=freeze")).toThrow(/no regular expression/);
});

test("a column that another writer dropped does not come back unless the source still sends it", async () => {
	const table = tableWith({});
	await table.write(documentChange('{"_id":1,"a":1,"b":1,"in":{"x":1,"y":1}}'));
	await alter(table, MAPPED);
	await table.feed(documentChange('{"_id":2,"b":2,"in":{"y":2}}'));
	await alter(
		table,
		{ kind: "drop-column", path: ["a"] },
		{ kind: "drop-column", path: ["in", "x"] },
	);
	const outcome = await table.flush();
	expect(outcome).toMatchObject({
		kind: "fenced",
		reason: expect.stringContaining("the column a"),
		schemaChanges: [
			{ kind: "drop", path: ["a"], by: "other" },
			{ kind: "drop", path: ["in", "x"], by: "other" },
		],
	});
	table.startOver(1);
	await table.write(documentChange('{"_id":2,"b":2,"in":{"y":2}}'));
	expect(await table.types()).not.toHaveProperty("a");
	expect(await table.rows()).toEqual(
		expect.arrayContaining([
			{ _id: "1", b: "1", in: '{"y":1}' },
			{ _id: "2", b: "2", in: '{"y":2}' },
		]),
	);
	// The old values of the column that comes back are gone for good.
	await table.write(documentChange('{"_id":3,"a":"three"}'));
	expect((await table.rows()).map(({ a }) => a ?? "none").sort()).toEqual([
		'"three"',
		"none",
		"none",
	]);
});

test("a column that another writer renamed keeps its values, and the source's go to one of their own", async () => {
	const table = tableWith({});
	await table.write(documentChange('{"_id":1,"a":1}'));
	await alter(table, MAPPED, { kind: "rename-column", path: ["a"], to: "c" });
	await table.feed(documentChange('{"_id":2,"a":2}'));
	expect(await table.flush()).toMatchObject({ kind: "fenced" });
	table.startOver(1);
	await table.write(documentChange('{"_id":2,"a":2,"c":"text"}'));
	expect(
		(await table.rows()).sort((x, y) => Number(x._id) - Number(y._id)),
	).toEqual([
		{ _id: "1", c: "1" },
		{ _id: "2", a: "2", _rescued_data: JSON.stringify('{"c":"text"}') },
	]);
});

test("a column that another writer added is taken up: its type decides what fits", async () => {
	const table = tableWith({});
	await table.write(documentChange('{"_id":1}'));
	await table.feed(documentChange('{"_id":2}'));
	await alter(table, {
		kind: "merge-schema",
		schema: struct(field("z", "string"), field("k", "integer")),
	});
	const { schemaChanges } = await table.write();
	expect(schemaChanges).toMatchObject([
		{ kind: "add", path: ["z"], by: "other" },
		{ kind: "add", path: ["k"], by: "other" },
	]);
	// This batch was begun with what the decoder knew; the next knows the column.
	await table.feed(documentChange('{"_id":3,"z":3}'));
	if ((await table.flush()).kind === "fenced") {
		table.startOver(2);
		await table.write(documentChange('{"_id":3,"z":3}'));
	}
	await table.write(documentChange('{"_id":4,"z":"four","k":4}'));
	expect(
		(await table.rows()).sort((x, y) => Number(x._id) - Number(y._id)),
	).toEqual([
		{ _id: "1" },
		{ _id: "2" },
		{ _id: "3", _rescued_data: JSON.stringify('{"z":3}') },
		{ _id: "4", z: '"four"', k: "4" },
	]);
	expect(await table.types()).toMatchObject({ z: "string", k: "integer" });
});

test("with contract rescue a new column of the table is used for the very batch that met it", async () => {
	const table = tableWith({ contract: "rescue" });
	await table.write(documentChange('{"_id":1}'));
	await table.feed(documentChange('{"_id":2,"z":2}'));
	await alter(table, {
		kind: "merge-schema",
		schema: struct(field("z", "long")),
	});
	expect(await table.flush()).toMatchObject({
		kind: "fenced",
		reason: expect.stringContaining("another writer changed the column z"),
	});
	table.startOver(1);
	await table.write(documentChange('{"_id":2,"z":2}'));
	expect(await table.rows()).toEqual(
		expect.arrayContaining([{ _id: "1" }, { _id: "2", z: "2" }]),
	);
});

test("DELTA_DECIMALS that is no type is named, with what it could be", () => {
	const read = (text: string) =>
		writerConfigFromEnvironment({
			KAFKA_BOOTSTRAP_SERVERS: "k:9092",
			KAFKA_TOPIC_PATTERN: ".*",
			DELTA_TABLE_BASE_PATH: "file:///lake",
			DELTA_DECIMALS: text,
		}).schema?.decimals;
	expect(read("string")).toBe("string");
	expect(read("decimal(38, 10)")).toBe("decimal(38,10)");
	for (const text of ["decimal(39,1)", "decimal(5,9)", "decimal(0,0)", "exact"])
		expect(() => read(text)).toThrow(
			`DELTA_DECIMALS=${text} is neither string nor decimal(precision,scale)`,
		);
});

test("after DELTA_SCHEMA_CACHE_TTL a schema is looked at before files are written for it", async () => {
	for (const [cacheTtlMs, files] of [
		[300_000, 1],
		[0, 0],
	] as const) {
		const store = openMemoryStore();
		let puts = 0;
		const table = new WrittenTable({
			source: "mongodb",
			mode: "append",
			config: { schema: { ...DEFAULT_SCHEMA, cacheTtlMs } },
			store: {
				...store,
				url: store.url,
				put: (path, ...rest) => {
					if (path.endsWith(".parquet")) puts++;
					return store.put(path, ...rest);
				},
				putIfAbsent: (...all) => store.putIfAbsent(...all),
			},
		});
		await table.write(documentChange('{"_id":1,"a":1}'));
		await alter(table, MAPPED, { kind: "drop-column", path: ["a"] });
		await table.feed(documentChange('{"_id":2}'));
		puts = 0;
		expect(await table.flush()).toMatchObject({ kind: "fenced" });
		expect(puts).toBe(files);
	}
});

const MAPPED: Alteration = {
	kind: "set-properties",
	properties: { "delta.columnMapping.mode": "name" },
};

async function alter(
	table: WrittenTable,
	...alterations: readonly Alteration[]
): Promise<void> {
	for (const one of alterations)
		await alterTable(table.engine, await table.snapshot(), one);
}

function tableWith(schema: Partial<SchemaConfig>): WrittenTable {
	return new WrittenTable({
		source: "mongodb",
		mode: "append",
		config: { schema: { ...DEFAULT_SCHEMA, ...schema } },
	});
}
