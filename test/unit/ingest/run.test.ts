import { randomUUID } from "node:crypto";
import { beforeEach, expect, test } from "vitest";
import { field } from "../../../src/columnar/types.ts";
import type { IngestConfig } from "../../../src/ingest/config.ts";
import {
	countFiles,
	listFiles,
	releaseClaims,
	retryFiles,
} from "../../../src/ingest/state.ts";
import { optimize } from "../../../src/maintain/optimize.ts";
import { configOf, sharedDatabase, World } from "./ingestion.ts";
import { format, RULES } from "./read-file.ts";

let world: World;
let config: IngestConfig;

beforeEach(async () => {
	world = new World(await sharedDatabase());
	config = configOf({ id: `default.${randomUUID()}` });
}, 300_000);

const ids = async (): Promise<unknown[]> =>
	(await world.rows()).map((row) => row.id);

test("new files are loaded once, with their state, and a second run finds nothing", async () => {
	await world.put("in/a.json", '{"id":1}\n{"id":2}\n');
	await world.put("in/b.json", '{"id":3,"more":"x"}\n');
	await world.put("in/_SUCCESS", "");
	const run = await world.run(config);
	expect(run).toMatchObject({
		status: "SUCCESS",
		filesListed: 2,
		filesDiscovered: 2,
		filesLoaded: 2,
		records: 3,
	});
	expect(await world.rows()).toEqual([
		{ id: 1, _source_file: "memory://in/a.json", _source_row: 1 },
		{ id: 2, _source_file: "memory://in/a.json", _source_row: 2 },
		{ id: 3, more: "x", _source_file: "memory://in/b.json", _source_row: 1 },
	]);
	expect((await world.snapshot()).version).toBe(0);
	const [file] = await listFiles(world.db, config.id, { limit: 1 });
	expect(file).toMatchObject({
		path: "in/a.json",
		status: "SUCCESS",
		records: 2,
		tableVersion: 0,
		retryCount: 0,
		runId: run.id,
	});
	expect(await world.run(config)).toMatchObject({
		status: "SUCCESS",
		filesListed: 2,
		filesDiscovered: 0,
		filesLoaded: 0,
	});
	expect((await world.snapshot()).version).toBe(0);
});

test("a corrupt file fails alone, is not tried again by itself, and can be retried when it is whole", async () => {
	await world.put("a.json", '{"id":1}\n');
	await world.put("b.json", '{"id":\n');
	await world.put("c.json", '{"id":3}\n');
	expect(await world.run(config)).toMatchObject({
		status: "PARTIAL",
		filesLoaded: 2,
		filesFailed: 1,
	});
	expect(await ids()).toEqual([1, 3]);
	expect(
		(await listFiles(world.db, config.id, { status: "FAILED", limit: 9 }))[0],
	).toMatchObject({
		path: "b.json",
		errorType: "INGEST_FILE_INVALID",
		retryCount: 1,
		retryMs: null,
	});
	expect(await world.run(config)).toMatchObject({ filesFailed: 0 });
	expect(await retryFiles(world.db, config.id)).toBe(1);
	expect(await world.run(config)).toMatchObject({ filesFailed: 1 });
	await world.put("b.json", '{"id":2}\n');
	expect(await world.run(config)).toMatchObject({ filesLoaded: 1 });
	expect(await ids()).toEqual([1, 2, 3]);
});

test("a changed file replaces its earlier rows in one version, also after compaction has mixed them with others", async () => {
	for (const name of ["a", "b", "c"])
		await world.put(`${name}.json`, `{"id":"${name}1"}\n{"id":"${name}2"}\n`);
	await world.run(config);
	await world.put("b.json", '{"id":"b3"}\n');
	await world.run(config);
	expect(await ids()).toEqual(["a1", "a2", "b3", "c1", "c2"]);
	expect((await world.snapshot()).version).toBe(1);
	await optimize(world.engine(), await world.snapshot());
	expect((await world.snapshot()).files.size).toBe(1);
	await world.put("c.json", "");
	await world.put("b.json", '{"id":"b4"}\n');
	expect(await world.run(config)).toMatchObject({ filesLoaded: 2 });
	expect(await ids()).toEqual(["a1", "a2", "b4"]);
});

test("a file whose content comes back is loaded again", async () => {
	for (const text of ['{"id":"x"}', '{"id":"yy"}', '{"id":"x"}']) {
		await world.put("a.json", text);
		await world.run(config);
		expect(await ids()).toEqual([JSON.parse(text).id]);
	}
});

test("a state that was lost is rebuilt from the table: nothing is loaded twice", async () => {
	await world.put("a.json", '{"id":1}');
	await world.put("b.json", '{"id":2}');
	await world.run(config);
	await world.db.query(
		"DELETE FROM tributary_ingest.ingestions WHERE id = $1",
		[config.id],
	);
	await world.put("c.json", '{"id":3}');
	expect(await world.run(config)).toMatchObject({
		filesDiscovered: 1,
		filesLoaded: 1,
	});
	expect(await ids()).toEqual([1, 2, 3]);
	expect(await countFiles(world.db, config.id)).toMatchObject({ SUCCESS: 3 });
});

test("a table that changes its schema while files are read is read for again", async () => {
	await world.put("a.json", '{"id":1}');
	await world.run(config);
	await world.put("b.json", '{"id":2,"more":true}');
	let altered = false;
	const other = { ...config, id: `${config.id}-other` };
	await world.put("other/c.json", '{"id":3,"more":"text"}');
	const one = { ...config, selection: { ...config.selection, prefix: "b" } };
	await world.run(one, {
		target: {
			turn: async (operation) => {
				if (operation !== "putIfAbsent" || altered) return;
				altered = true;
				await world.run({
					...other,
					selection: { ...config.selection, prefix: "other/" },
				});
			},
		},
	});
	expect(await world.rows()).toMatchObject([
		{ id: 1 },
		{ id: 2, _rescued_data: '{"more":true}' },
		{ id: 3, more: "text" },
	]);
});

test("the first files decide together what type a column has", async () => {
	await world.put("a.csv", "id,v,code\n1,1,10\n");
	await world.put("b.csv", "id,v,code\n2,1.5,x1\n");
	config = { ...config, format: format("csv") };
	await world.run(config);
	expect(await world.rows()).toMatchObject([
		{ id: 1, v: 1, code: "10" },
		{ id: 2, v: 1.5, code: "x1" },
	]);
	await world.put("c.csv", "id,v,code\nx,2,20\n");
	await world.run(config);
	expect((await world.rows())[2]).toMatchObject({
		v: 2,
		code: "20",
		_rescued_data: '{"id":"x"}',
	});
});

test("files that bring the same new column in other types get one of them, and rescue the rest", async () => {
	config = {
		...config,
		rules: { ...RULES, columns: [field("id", "long")] },
	};
	await world.put("0.json", '{"id":0}');
	await world.run(config);
	for (let i = 1; i <= 6; i++)
		await world.put(
			`${i}.json`,
			`{"id":${i},"new":${i % 2 === 0 ? i : `"t${i}"`}}`,
		);
	expect(await world.run(config)).toMatchObject({ filesLoaded: 6 });
	const rows = await world.rows();
	for (const [i, row] of rows.entries())
		if (i > 0) expect("new" in row).toBe(!("_rescued_data" in row));
	expect(rows.filter((row) => "_rescued_data" in row).length).toBe(3);
});

test("a store that is away for a moment is tried again; a file that keeps failing stops at the limit", async () => {
	await world.put("a.json", '{"id":1}');
	await world.put("b.json", '{"id":2}');
	let failures = 0;
	const failing = Object.assign(new Error("slow down"), {});
	const run = await world.run(config, {
		source: {
			fault: (operation, path) =>
				operation === "get" && path === "a.json" && ++failures < 3
					? { before: failing }
					: undefined,
		},
	});
	expect(run).toMatchObject({ status: "PARTIAL", filesLoaded: 2 });
	expect(await ids()).toEqual([1, 2]);
	await world.put("c.json", '{"id":3}');
	await world.run(config, {
		source: {
			fault: (operation, path) =>
				operation === "get" && path === "c.json"
					? { before: failing }
					: undefined,
		},
	});
	expect(
		(await listFiles(world.db, config.id, { path: "c.json", limit: 1 }))[0],
	).toMatchObject({ status: "FAILED", retryCount: 3, retryMs: null });
});

test("a file that goes while it waits is skipped; one that changes is loaded as it is by then", async () => {
	await world.put("a.json", '{"id":1}');
	await world.put("b.json", '{"id":2}');
	let gone = false;
	await world.run(config, {
		source: {
			turn: async (operation, path) => {
				if (operation !== "get" || gone) return;
				gone = true;
				if (path === "a.json") world.files.delete("a.json");
				await world.put("b.json", '{"id":22}');
			},
		},
	});
	expect(await ids()).toEqual([22]);
	expect(await countFiles(world.db, config.id)).toMatchObject({
		SUCCESS: 1,
		SKIPPED: 1,
	});
});

test("a table that can't be written ends the run, and counts no failure of a file", async () => {
	await world.put("a.json", '{"id":1}');
	await expect(
		world.run(config, {
			target: {
				fault: (operation) =>
					operation === "put" ? { before: new Error("disk full") } : undefined,
			},
		}),
	).rejects.toThrow("disk full");
	expect((await listFiles(world.db, config.id, { limit: 1 }))[0]).toMatchObject(
		{ status: "DISCOVERED", retryCount: 0 },
	);
	await world.run(config);
	expect(await ids()).toEqual([1]);
});

test("files of a worker that is surely gone need not wait until they are stale", async () => {
	await world.put("a.json", '{"id":1}');
	await world.run(config);
	await world.put("b.json", '{"id":2}');
	await world.db.query(
		"INSERT INTO tributary_ingest.processed_files (ingestion_id, path, size, modified_at, etag, status, worker, locked_at) VALUES ($1, 'b.json', 8, now(), 'x', 'PROCESSING', 'pod-0/7/x', now())",
		[config.id],
	);
	expect(await world.run(config)).toMatchObject({ filesLoaded: 0 });
	expect(await releaseClaims(world.db, config.id, "pod-1/")).toBe(0);
	expect(await releaseClaims(world.db, config.id, "pod-0/")).toBe(1);
	expect(await world.run(config)).toMatchObject({ filesLoaded: 1 });
	expect(await ids()).toEqual([1, 2]);
});

test("a file that was committed before a crash is not read again", async () => {
	await world.put("a.json", '{"id":1}');
	await world.run(config);
	await world.db.query(
		"UPDATE tributary_ingest.processed_files SET status = 'DISCOVERED' WHERE ingestion_id = $1",
		[config.id],
	);
	const reads: string[] = [];
	expect(
		await world.run(config, {
			source: {
				turn: async (operation, path) => {
					if (operation === "get") reads.push(path);
				},
			},
		}),
	).toMatchObject({ status: "SUCCESS", filesLoaded: 0 });
	expect(reads).toEqual([]);
	expect(await ids()).toEqual([1]);
	expect(await countFiles(world.db, config.id)).toMatchObject({ SUCCESS: 1 });
});
