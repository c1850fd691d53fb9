import { mkdtempSync } from "node:fs";
import { readdir, rm, unlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFileStore } from "../../../src/storage/file.ts";
import {
	COLUMNS,
	engineOn,
	fillTable,
	NDJSON,
} from "../../support/cli-table.ts";
import { failure, table } from "./command.ts";

const dir = mkdtempSync(join(tmpdir(), "tributary-table-"));
const path = join(dir, "orders");

beforeAll(async () => {
	await table(
		...["create", path, "--schema", COLUMNS, "--partition-by", "Day"],
		...["--property", "delta.enableDeletionVectors=true", "--name", "orders"],
	);
	await fillTable(engineOn(openFileStore(path)));
});

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

const lines = (text: string): string[] => text.split("\n").slice(0, -1);

describe("rows are printed", () => {
	test("as NDJSON without losing a digit", async () => {
		expect(lines(await table("read", path, "--format", "ndjson"))).toEqual(
			NDJSON,
		);
		expect(lines(await table("read", path, "--json"))).toEqual(NDJSON);
	});

	test("as CSV in which null and the empty text differ", async () => {
		expect(
			await table(
				"read",
				path,
				"--format",
				"csv",
				"--columns",
				"id, NAME,tags,price",
			),
		).toBe(
			`id,name,tags,price
9007199254740993,"a ""b"", c\nd\u001b[31m","[""x"",null,""""]",1234567890123456.7891
2,"",,
3,,,
4,row 4,,
6,row 6,,
`,
		);
	});

	test("as a table that obeys no control character", async () => {
		const text = await table(
			"read",
			path,
			"--columns",
			"name,id",
			"--limit",
			"2",
		);
		const name = String.raw`a "b", c\nd\u001b[31m`;
		expect(text).toBe(
			[
				`${"name".padEnd(name.length)}  id\n`,
				`${name}  9007199254740993\n`,
				`${" ".repeat(name.length)}  2\n`,
			].join(""),
		);
	});

	test("of the versions and times that are asked for", async () => {
		const count = (...at: string[]): Promise<string> =>
			table("read", path, "--count", ...at);
		expect(await count()).toBe("5\n");
		expect(await count("--version", "2")).toBe("6\n");
		expect(await count("--version", "0")).toBe("0\n");
		for (const [version, time] of [
			"2020-01-01",
			"2021-01-01",
			"2022-01-01",
			"2023-01-01",
		].entries()) {
			const at = new Date(time);
			await utimes(
				join(path, `_delta_log/${String(version).padStart(20, "0")}.json`),
				at,
				at,
			);
		}
		expect(await count("--timestamp", "2021-12-31T23:59:59.999999Z")).toBe(
			"3\n",
		);
		expect(await count("--timestamp", "2022-01-01T02:00:00+02:00")).toBe("6\n");
		expect(await count("--timestamp", "2023-01-01", "--json")).toBe(
			'{"rows":5}\n',
		);
		expect(await failure("read", path, "--timestamp", "2019-12-31")).toMatch(
			/^DELTA_VERSION_NOT_FOUND: .*starts at 2020-01-01T00:00:00.000Z/,
		);
		expect(await failure("read", path, "--version", "4")).toMatch(
			/^DELTA_VERSION_NOT_FOUND: .* 0 to 3$/,
		);
	});

	test("under a condition, and with a limit", async () => {
		const read = (...flags: string[]): Promise<string> =>
			table("read", path, "--format", "csv", "--columns", "id", ...flags);
		expect(await read("--where", "ID > 2 and day = DATE '2026-08-31'")).toBe(
			"id\n9007199254740993\n3\n",
		);
		expect(
			await read("--where", "name is null or ratio = ratio", "--limit", "1"),
		).toBe("id\n9007199254740993\n");
		expect(await read("--limit", "0")).toBe("id\n");
		expect(await table("read", path, "--count", "--where", "id <> 3")).toBe(
			"4\n",
		);
	});
});

test("counting reads no file whose statistics tell the number of rows", async () => {
	const copy = join(dir, "counted");
	await table(
		"create",
		copy,
		"--schema",
		COLUMNS,
		"--property",
		"delta.enableDeletionVectors=true",
	);
	await fillTable(engineOn(openFileStore(copy)));
	for (const file of await readdir(copy))
		if (file.endsWith(".parquet")) await unlink(join(copy, file));
	expect(await table("read", copy, "--count")).toBe("5\n");
	expect(await failure("read", copy)).toMatch(
		/^DELTA_FILE_MISSING: .*\.parquet/,
	);
	expect(await failure("read", copy, "--count", "--where", "id > 0")).toMatch(
		/^DELTA_FILE_MISSING: /,
	);
});

test("files without statistics are counted by reading them", async () => {
	const copy = join(dir, "uncounted");
	await table(
		"create",
		copy,
		"--schema",
		COLUMNS,
		"--property",
		"delta.dataSkippingNumIndexedCols=0",
	);
	const engine = engineOn(openFileStore(copy));
	await fillTable(engine);
	const commit = "_delta_log/00000000000000000001.json";
	const text = new TextDecoder().decode(await engine.store.get(commit));
	const without = text.replace(/,"stats":"(?:[^"\\]|\\.)*"/, "");
	expect(without).not.toBe(text);
	await writeFile(join(copy, commit), without);
	expect(await table("read", copy, "--count")).toBe("5\n");
	expect(await table("files", copy)).toMatch(/\t\? rows/);
});

test("files tells which a query reads, and how many it passes over", async () => {
	expect(lines(await table("files", path))).toHaveLength(2);
	const some = lines(
		await table("files", path, "--where", "id < 5 and name like 'row%'"),
	);
	expect(some).toHaveLength(2);
	expect(some[0]).toMatch(/^day=2026-09-01\/.*\t3 rows\t1 deleted$/);
	expect(some[1]).toBe("1 of 2 files are read, 1 skipped");
	const none = lines(await table("files", path, "--json", "--where", "id < 0"));
	expect(none).toEqual(['{"read":0,"skipped":2}']);
	const [first = ""] = lines(await table("files", path, "--json"));
	expect(JSON.parse(first)).toMatchObject({
		partitionValues: { day: "2026-08-31" },
	});
});

test("the schema that is shown makes the same table again", async () => {
	const again = join(dir, "again");
	await table("create", again, "--schema", await table("schema", path));
	expect(await table("schema", again, "--json")).toBe(
		await table("schema", path, "--json"),
	);
	const file = join(dir, "schema.json");
	await writeFile(file, await table("schema", path, "--json"));
	await table("create", join(dir, "third"), "--schema-file", file);
	expect(await table("schema", join(dir, "third"))).toBe(
		await table("schema", path),
	);
});

test("history is newest first, and ends where it is asked to", async () => {
	const entries = lines(await table("history", path, "--json")).map(
		(line): unknown => JSON.parse(line),
	);
	expect(entries).toMatchObject([
		{ version: 3, operation: "DELETE", added: 1, removed: 1 },
		{ version: 2, operation: "WRITE", added: 1 },
		{ version: 1, operation: "WRITE", added: 1, schemaChanged: false },
		{ version: 0, operation: "CREATE TABLE", schemaChanged: true },
	]);
	const two = lines(
		await table("history", path, "--version", "2", "--limit", "2"),
	);
	expect(two.map((line) => line.trim().slice(0, 1))).toEqual(["2", "1"]);
});

test("changes are those of the versions; cdf wants to have had them recorded", async () => {
	const changes = await table(
		...["changes", path, "--from", "2", "--columns", "id", "--json"],
	);
	expect(lines(changes).map((line) => JSON.parse(line))).toMatchObject([
		{ _change_type: "insert", _commit_version: 2, id: 4 },
		{ _change_type: "insert", _commit_version: 2, id: 5 },
		{ _change_type: "insert", _commit_version: 2, id: 6 },
		{ _change_type: "delete", _commit_version: 3, id: 5 },
	]);
	expect(
		lines(
			await table(
				"changes",
				path,
				"--from",
				"0",
				"--to",
				"1",
				"--format",
				"csv",
			),
		),
	).toHaveLength(5);
	expect(await failure("cdf", path, "--from", "1")).toMatch(
		/^DELTA_CHANGES_UNAVAILABLE: /,
	);
	const recorded = join(dir, "recorded");
	await table(
		"create",
		recorded,
		"--schema",
		COLUMNS,
		"--property",
		"delta.enableChangeDataFeed=true",
	);
	await fillTable(engineOn(openFileStore(recorded)));
	expect(
		lines(
			await table("cdf", recorded, "--from", "3", "--columns", "id", "--json"),
		).map((line) => JSON.parse(line)),
	).toMatchObject([{ _change_type: "delete", _commit_version: 3, id: 5 }]);
});

test("show says what a table is, and why it can't be written", async () => {
	const shown = JSON.parse(await table("show", path, "--json")) as Record<
		string,
		unknown
	>;
	expect(shown).toMatchObject({
		version: 3,
		name: "orders",
		files: 2,
		partitionColumns: ["day"],
		writable: true,
		because: null,
	});
	expect(shown.features).toContainEqual({
		name: "deletionVectors",
		reader: true,
		active: true,
		read: true,
		write: "always",
	});
	expect(
		JSON.parse(await table("show", path, "--json", "--version", "1")),
	).toMatchObject({ version: 1, files: 1 });
	const refused = join(dir, "refused");
	await table(
		"create",
		refused,
		"--schema",
		"id long",
		"--property",
		"delta.feature.identityColumns=supported",
	);
	expect(await table("show", refused)).toMatch(/^writable +true$/m);
	const commit = join(refused, "_delta_log/00000000000000000000.json");
	const store = openFileStore(refused);
	const text = new TextDecoder().decode(
		await store.get("_delta_log/00000000000000000000.json"),
	);
	await writeFile(
		commit,
		text.replace(
			String.raw`\"nullable\":true,\"metadata\":{}`,
			String.raw`\"nullable\":true,\"metadata\":{\"delta.identity.start\":1}`,
		),
	);
	expect(await table("show", refused)).toMatch(
		/^writable +false\nbecause +.*identityColumns \(values of identity columns/m,
	);
});

test("a checkpoint is written, the log compacted, and cleaned when it is old", async () => {
	const kept = join(dir, "kept");
	await table("create", kept, "--schema", COLUMNS);
	await fillTable(engineOn(openFileStore(kept)));
	const log = async (): Promise<string[]> =>
		(await readdir(join(kept, "_delta_log"))).sort();
	expect(await table("checkpoint", kept, "--compact-log", "1..3")).toBe(
		"wrote _delta_log/00000000000000000001.00000000000000000003.compacted.json\n",
	);
	expect(await table("checkpoint", kept, "--clean-log")).toMatch(
		/^nothing to delete: /,
	);
	expect(await table("checkpoint", kept)).toBe(
		"wrote the checkpoint and the checksum of version 3\n",
	);
	expect(await table("checkpoint", kept, "--json")).toMatch(
		/^\{"version":3,"files":2\}$/m,
	);
	const before = await log();
	expect(before).toContain("00000000000000000003.checkpoint.parquet");
	expect(before).toContain("00000000000000000003.crc");
	for (const file of before) await utimes(join(kept, "_delta_log", file), 1, 1);
	const dry = lines(
		await table("checkpoint", kept, "--clean-log", "--dry-run"),
	);
	expect(dry.at(-1)).toBe("would delete 4 files; the oldest version is 3 then");
	expect(await log()).toEqual(before);
	const { deleted, oldest } = JSON.parse(
		await table("checkpoint", kept, "--clean-log", "--json"),
	) as { deleted: string[]; oldest: number };
	expect(oldest).toBe(3);
	expect(deleted).toEqual(dry.slice(0, -1));
	expect(await log()).toEqual(
		before.filter((file) => !deleted.includes(`_delta_log/${file}`)),
	);
	expect(await table("read", kept, "--count")).toBe("5\n");
});

test("a table that can't be written is not changed, and nothing of its log deleted", async () => {
	const foreign = join(dir, "foreign");
	await table("create", foreign, "--schema", "id long");
	const log = join(foreign, "_delta_log");
	const protocol = {
		minReaderVersion: 1,
		minWriterVersion: 7,
		writerFeatures: ["warpDrive"],
	};
	await writeFile(
		join(log, "00000000000000000001.json"),
		`${JSON.stringify({ protocol })}\n`,
	);
	const before = await readdir(log);
	for (const flags of [
		["checkpoint", foreign],
		["checkpoint", foreign, "--clean-log"],
		["checkpoint", foreign, "--compact-log", "0..1"],
		["alter", foreign, "--set", "mine=1"],
	])
		expect(await failure(...flags)).toMatch(
			/^DELTA_UNSUPPORTED_WRITER: .*warpDrive/,
		);
	expect(await readdir(log)).toEqual(before);
	expect(await table("read", foreign, "--count")).toBe("0\n");
});

test("a table that couldn't be written to is not made", async () => {
	for (const property of [
		"delta.enableIcebergCompatV2=true",
		"delta.feature.redirectWriterOnly=supported",
	])
		expect(
			await failure(
				...["create", join(dir, "never"), "--schema", "id long"],
				...["--property", property],
			),
		).toMatch(/^DELTA_UNSUPPORTED_WRITER: /);
	expect(await readdir(dir)).not.toContain("never");
});
