import { mkdtempSync } from "node:fs";
import { readdir, rm, utimes } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import { openFileStore } from "../../../src/storage/file.ts";
import { COLUMNS, engineOn, fillTable } from "../../support/cli-table.ts";
import { failure, table } from "./command.ts";

const dir = mkdtempSync(join(tmpdir(), "tributary-maintain-"));
const path = join(dir, "orders");
const engine = engineOn(openFileStore(path));

beforeAll(async () => {
	await table(
		...["create", path, "--schema", COLUMNS, "--partition-by", "day"],
		...["--property", "delta.enableDeletionVectors=true"],
	);
	await fillTable(engine);
});

afterAll(async () => {
	await rm(dir, { recursive: true, force: true });
});

const files = async (): Promise<string[]> =>
	(await readdir(path, { recursive: true })).filter((name) =>
		name.endsWith(".parquet"),
	);

test("a table is optimized, vacuumed and restored, and says so", async () => {
	const before = await table("read", path, "--json");
	expect(await table("optimize", path, "--dry-run")).toMatch(
		/^would write 1 files of \d+\.\d KiB again, in 1 groups\n$/,
	);
	expect(await table("optimize", path, "--json", "--dry-run")).toMatch(
		/^\{"dryRun":true,"version":3,"commits":0,/,
	);
	expect(await table("optimize", path)).toMatch(
		/^version 4: 1 files of .* became 1 of .*, in 1 commits\ndeleted rows of 1 files are gone for good\n$/,
	);
	expect(await table("optimize", path)).toBe("nothing to do\n");
	expect(await table("read", path, "--json")).toBe(before);
	expect(await files()).toHaveLength(3);

	for (const name of await files()) {
		const old = new Date(Date.now() - 8 * 86_400_000);
		await utimes(join(path, name), old, old);
	}
	// Removed just now, it is needed for a week.
	expect(await table("vacuum", path, "--dry-run")).toBe(
		"would delete 0 of 3 files, 0 B; what was needed in the last 168 h stays\n",
	);
	expect(await failure("vacuum", path, "--retention", "0h")).toMatch(
		/^DELTA_RETENTION_TOO_SHORT: .*0 h is shorter than the table's retention, 168 h/,
	);
	const listed = await table("vacuum", path, "--dry-run", "--retention", "0h");
	expect(listed).toMatch(
		/^day=2026-09-01\/part-.*\.parquet\nwould delete 1 of 3/,
	);
	const result = await table("restore", path, "--version", "2");
	expect(result).toBe("version 5 is as version 2: 1 files come back, 1 go\n");
	expect(await table("read", path, "--count")).toBe("6\n");
	expect(await table("restore", path, "--version", "2")).toBe(
		"version 5 is as version 2 already\n",
	);
	expect(
		await table(
			...["vacuum", path, "--retention", "0h", "--allow-short-retention"],
			"--json",
		),
	).toMatch(/^\{"dryRun":false,"version":7,"retentionMs":0,.*"files":1,/);
	expect(await table("read", path, "--count")).toBe("6\n");
	expect((await loadSnapshot(engine))?.version).toBe(7);
});

test.each([
	[
		["optimize", "--target-file-size", "big"],
		"CONFIG_INVALID: --target-file-size big is no size; write one like 134217728 or 128Mi",
	],
	[
		["optimize", "--z-order", "pricee"],
		"CONFIG_INVALID: --z-order names the column pricee, which is not there; did you mean price?",
	],
	[["optimize", "--z-order", "tags"], "DELTA_SCHEMA_INCOMPATIBLE: "],
	[["optimize", "--where", "nothing > 1"], "CONFIG_INVALID: "],
	[
		["optimize", "--version", "1"],
		"CONFIG_INVALID: table optimize takes no --version",
	],
	[
		["vacuum", "--retention", "a week"],
		"CONFIG_INVALID: --retention a week is no duration; write one like 168h or 7d",
	],
	[
		["restore"],
		"CONFIG_INVALID: table restore needs --version N or --timestamp",
	],
	[["restore", "--version", "99"], "DELTA_VERSION_NOT_FOUND: "],
])("wrong flags are answered with what is right: %s", async (argv, answer) => {
	const [name = "", ...flags] = argv;
	expect(await failure(name, path, ...flags)).toContain(answer);
});
