import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFileStore } from "../../../src/storage/file.ts";
import { Spark } from "../../support/spark.ts";
import { documentChange, WrittenTable } from "../../support/written-table.ts";

let dir: string;
let spark: Spark;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-schema-change-"));
	if (Spark.installed) spark = await Spark.shared();
}, 120_000);

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

describe.skipIf(!Spark.installed)("a schema that Spark changes", () => {
	test.each(["append", "upsert"] as const)(
		"%s: the writer that runs takes columns up that ALTER TABLE added, also for a batch that was begun before",
		async (mode) => {
			const path = join(dir, mode);
			const table = new WrittenTable({
				source: "mongodb",
				mode,
				store: openFileStore(path),
			});
			const send = (id: number, more = ""): ReturnType<typeof documentChange> =>
				documentChange(`{"_id":${id},"n":${id}${more}}`, { id: String(id) });
			await table.write(send(1), send(2));
			await table.write(send(2, ',"flag":true'));
			await table.feed(send(3, ',"total":{"$numberLong":"7"}'));
			await spark.sql(
				`ALTER TABLE delta.\`${path}\` ADD COLUMNS (total BIGINT, note STRING, inner STRUCT<a: BIGINT>)`,
			);
			const { schemaChanges } = await table.write();
			expect(
				schemaChanges.filter(({ by }) => by === "other").map((one) => one.path),
			).toEqual([["total"], ["note"], ["inner"]]);
			await table.write(
				send(4, ',"total":8,"note":"a","inner":{"a":1,"b":"new"}'),
			);
			await spark.sql(
				`ALTER TABLE delta.\`${path}\` ADD COLUMNS (inner.c STRING)`,
			);
			await table.write(send(5, ',"inner":{"c":"c","a":2}'));
			await table.write(send(1, ',"note":5'));
			const found = await spark.sql(
				`SELECT _id, n, flag, total, note, to_json(inner), _rescued_data FROM delta.\`${path}\` WHERE ${mode === "append" ? "NOT (_id = 1 AND note IS NULL AND _rescued_data IS NULL) AND NOT (_id = 2 AND flag IS NULL)" : "true"} ORDER BY _id`,
			);
			expect(found).toEqual([
				["1", "1", null, null, null, null, '{"note":5}'],
				["2", "2", "True", null, null, null, null],
				["3", "3", null, "7", null, null, null],
				["4", "4", null, "8", "a", '{"a":1,"b":"new"}', null],
				["5", "5", null, null, null, '{"a":2,"c":"c"}', null],
			]);
		},
	);
});
