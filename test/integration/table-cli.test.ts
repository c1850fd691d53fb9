import { spawn } from "node:child_process";
import {
	mkdtemp,
	readdir,
	readFile,
	rm,
	unlink,
	utimes,
	writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { field, struct } from "../../src/columnar/types.ts";
import type { Row } from "../../src/columnar/vector.ts";
import { loadSnapshot } from "../../src/delta/snapshot.ts";
import { append } from "../../src/delta/write.ts";
import { openFileStore } from "../../src/storage/file.ts";
import { openStore } from "../../src/storage/open.ts";
import { memoryOf, type RunningS3, startS3 } from "../../stack/components.ts";
import { batchOf } from "../support/batch.ts";
import { COLUMNS, engineOn, fillTable, NDJSON } from "../support/cli-table.ts";
import { DeltaRs } from "../support/deltars.ts";
import { ended, startTributary, tributary } from "../support/tributary.ts";

let dir: string;
let s3: RunningS3;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-table-cli-"));
	s3 = await startS3({ dir, buckets: ["lake"] });
});

afterAll(async () => {
	await s3?.stop();
	await rm(dir, { recursive: true, force: true });
});

const lines = (text: string): string[] => text.split("\n").slice(0, -1);

/** Standard output of a command that has to succeed. */
async function printed(
	argv: readonly string[],
	env: Readonly<Record<string, string>> = {},
): Promise<string> {
	const { status, stdout, stderr } = await tributary(["table", ...argv], env);
	expect({ status, stderr }, argv.join(" ")).toEqual({ status: 0, stderr: "" });
	return stdout;
}

describe.each(["a local folder", "S3"] as const)("on %s", (where) => {
	let path: string;
	let folder: string;
	let env: Record<string, string>;
	const table = (...argv: string[]): Promise<string> => printed(argv, env);

	beforeAll(async () => {
		const { endpoint, region, accessKeyId, secretAccessKey } = s3;
		path = where === "S3" ? "s3://lake/shop/orders é" : join(dir, "orders é");
		folder = where === "S3" ? join(s3.folder, "lake/shop/orders é") : path;
		env =
			where === "S3"
				? {
						AWS_ENDPOINT_URL: endpoint,
						AWS_REGION: region,
						AWS_ACCESS_KEY_ID: accessKeyId,
						AWS_SECRET_ACCESS_KEY: secretAccessKey,
					}
				: {};
		await table(
			...["create", path, "--schema", COLUMNS, "--partition-by", "day"],
			...["--property", "delta.enableDeletionVectors=true"],
			...["--property", "delta.enableChangeDataFeed=true"],
		);
		await fillTable(
			engineOn(
				openStore(path, { endpoint, region, accessKeyId, secretAccessKey }),
			),
		);
	});

	test("every row is printed without loss", async () => {
		expect(lines(await table("read", path, "--format", "ndjson"))).toEqual(
			NDJSON,
		);
		expect(await table("read", path, "--count")).toBe("5\n");
		expect(await table("read", path, "--count", "--version", "2")).toBe("6\n");
		expect(
			await table(
				...["read", path, "--where", "price > 1 or name = 'row 6'"],
				...["--columns", "price,id", "--format", "csv"],
			),
		).toBe("price,id\n1234567890123456.7891,9007199254740993\n,6\n");
	});

	test("what is known of a table is shown", async () => {
		expect(JSON.parse(await table("show", path, "--json"))).toMatchObject({
			version: 3,
			files: 2,
			writable: true,
		});
		expect(await table("schema", path)).toMatch(
			/^id long not null,\nday date,\nprice decimal\(24,4\),/,
		);
		expect(lines(await table("history", path))).toHaveLength(4);
		expect(
			lines(await table("files", path, "--where", "day > '2026-08-31'")).at(-1),
		).toBe("1 of 2 files are read, 1 skipped");
	});

	test("changes are printed, from files and from the feed", async () => {
		const [of, from] = [
			["--columns", "id"],
			["--from", "2"],
		];
		const changes = await table(
			...["changes", path, ...from, ...of, "--format", "csv"],
		);
		expect(lines(changes).map((line) => line.replace(/,[^,]*Z,/, ","))).toEqual(
			[
				"_change_type,_commit_version,_commit_timestamp,id",
				"insert,2,4",
				"insert,2,5",
				"insert,2,6",
				"delete,3,5",
			],
		);
		expect(await table("cdf", path, ...from, ...of, "--format", "csv")).toBe(
			changes,
		);
	});

	test("the log is looked after, and the table reads the same", async () => {
		await table("alter", path, "--add-constraint", "known: id > 0");
		await table("checkpoint", path, "--compact-log", "0..3");
		await table("checkpoint", path);
		const log = join(folder, "_delta_log");
		// The store's times are the files' own.
		for (const file of await readdir(log))
			if (/^\d/.test(file)) await utimes(join(log, file), 1, 1);
		expect(lines(await table("checkpoint", path, "--clean-log")).at(-1)).toBe(
			"deleted 5 files; the oldest version is 4 then",
		);
		expect((await readdir(log)).filter((file) => /^\d/.test(file))).toEqual(
			expect.arrayContaining([
				"00000000000000000004.json",
				"00000000000000000004.crc",
			]),
		);
		expect(lines(await table("read", path, "--format", "ndjson"))).toEqual(
			NDJSON,
		);
	});
});

describe.skipIf(!DeltaRs.installed)("with delta-rs", () => {
	let deltaRs: DeltaRs;
	beforeAll(async () => {
		deltaRs = await DeltaRs.open(dir);
	});
	afterAll(async () => {
		await deltaRs?.stop();
	});

	test("a table of delta-rs is read, counted and its changes told", async () => {
		const path = join(dir, "theirs");
		const schema = struct(
			field("id", "long", { nullable: false }),
			field("part", "string"),
			field("amount", "decimal(12,3)"),
			field("at", "timestamp"),
		);
		await deltaRs.create(path, {
			schema,
			partition_by: ["part"],
			configuration: { "delta.enableChangeDataFeed": "true" },
		});
		const rows = Array.from({ length: 40 }, (_, i) => [
			String(9_007_199_254_740_993n + BigInt(i)),
			i % 4 === 0 ? null : `p ${i % 4}`,
			`${i}.125`,
			String(1_788_185_109_000_001n + BigInt(i)),
		]);
		for (const half of [rows.slice(0, 20), rows.slice(20)])
			await deltaRs.write(path, { schema, rows: half, mode: "append" });
		await deltaRs.run("update", path, {
			updates: { amount: "0.5" },
			predicate: "part = 'p 1'",
		});
		await deltaRs.run("delete", path, { predicate: "amount > 20" });

		const { rows: theirs } = await deltaRs.read(path);
		const ours = lines(await printed(["read", path, "--json"])).map((line) => {
			const match =
				/^\{"id":(\d+),"part":(null|".*"),"amount":([\d.]+),"at":"(.*)"\}$/.exec(
					line,
				);
			const [, id = "", part = "", amount = "", at = ""] = match ?? [];
			const micros =
				BigInt(Date.parse(`${at.slice(0, 23)}Z`)) * 1000n +
				BigInt(at.slice(23, 26));
			return [id, JSON.parse(part) as string | null, amount, String(micros)];
		});
		const sorted = (all: readonly unknown[]): string[] =>
			all.map((row) => JSON.stringify(row)).sort();
		expect(sorted(ours)).toEqual(sorted(theirs));
		expect(await printed(["read", path, "--count"])).toBe(`${theirs.length}\n`);
		const changed = lines(
			await printed([
				...["cdf", path, "--from", "3", "--to", "3"],
				...["--columns", "amount", "--format", "csv"],
			]),
		).slice(1);
		expect(
			changed.filter((line) => line.startsWith("update_pre")),
		).toHaveLength(10);
		expect(
			changed.filter((line) => /^update_post.*,0\.500$/.test(line)),
		).toHaveLength(10);
	});

	test("delta-rs writes to a table that was created, and reads its checkpoint", async () => {
		const path = join(dir, "shared");
		await printed([
			...["create", path, "--schema", "id long not null, name string"],
			...["--property", "delta.checkpointInterval=100"],
		]);
		const schema = struct(
			field("id", "long", { nullable: false }),
			field("name", "string"),
		);
		for (const id of ["1", "2", "3"])
			await deltaRs.write(path, {
				schema,
				rows: [[id, `n${id}`]],
				mode: "append",
			});
		await printed(["checkpoint", path]);
		const log = join(path, "_delta_log");
		for (const version of [0, 1, 2])
			await unlink(join(log, `${String(version).padStart(20, "0")}.json`));
		const { rows } = await deltaRs.read(path);
		expect(rows.map(([id]) => id).sort()).toEqual(["1", "2", "3"]);
		expect(await printed(["read", path, "--count"])).toBe("3\n");
	});
});

describe("a table that must not be read gives one line and status 3", () => {
	const broken = async (
		name: string,
		damage: (path: string) => Promise<void>,
	): Promise<string> => {
		const path = join(dir, name);
		await printed(["create", path, "--schema", COLUMNS]);
		await fillTable(engineOn(openFileStore(path)));
		await damage(path);
		return path;
	};
	const commit = (path: string, version: number): string =>
		join(path, "_delta_log", `${String(version).padStart(20, "0")}.json`);
	const dataFiles = async (path: string): Promise<string[]> =>
		(await readdir(path))
			.filter((file) => file.endsWith(".parquet"))
			.map((file) => join(path, file));

	test.each<readonly [string, string, (path: string) => Promise<void>]>([
		[
			"unknown-feature",
			"DELTA_UNSUPPORTED_READER",
			async (path) => {
				const protocol = {
					minReaderVersion: 3,
					minWriterVersion: 7,
					readerFeatures: ["warpDrive"],
					writerFeatures: ["warpDrive"],
				};
				await writeFile(commit(path, 4), `${JSON.stringify({ protocol })}\n`);
			},
		],
		["gap", "DELTA_LOG_GAP", (path) => unlink(commit(path, 2))],
		[
			"torn",
			"DELTA_LOG_INVALID",
			async (path) => {
				const text = await readFile(commit(path, 2), "utf8");
				await writeFile(commit(path, 2), text.slice(0, text.length / 2));
			},
		],
		[
			"lost-file",
			"DELTA_FILE_MISSING",
			async (path) => {
				for (const file of await dataFiles(path)) await unlink(file);
			},
		],
		[
			"damaged-file",
			"PARQUET_INVALID",
			async (path) => {
				for (const file of await dataFiles(path)) {
					const bytes = await readFile(file);
					await writeFile(file, bytes.fill(0x7f, bytes.length - 40));
				}
			},
		],
	])("%s", async (name, code, damage) => {
		const path = await broken(name, damage);
		const { status, stderr } = await tributary([
			...["table", "read", path, "--format", "ndjson"],
		]);
		expect(stderr).toMatch(new RegExp(`^tributary: ${code}: [^\\n]+\\n$`));
		expect(status).toBe(3);
	});

	test("no table", async () => {
		expect(await tributary(["table", "show", join(dir, "none")])).toEqual({
			status: 3,
			stdout: "",
			stderr: expect.stringMatching(
				/^tributary: DELTA_TABLE_NOT_FOUND: [^\n]+\n$/,
			),
		});
	});
});

test("a wrong flag or expression gives one line and status 2", async () => {
	const path = join(dir, "flags");
	await printed(["create", path, "--schema", "id long"]);
	for (const flags of [
		["--colums", "id"],
		["--columns", "ix"],
		["--where", "id >"],
	]) {
		const { status, stdout, stderr } = await tributary([
			...["table", "read", path, ...flags],
		]);
		expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
		expect(stderr).toMatch(
			/^tributary: (CONFIG|EXPRESSION)_INVALID: [^\n]+\n$/,
		);
	}
});

describe("a large table", () => {
	const ROWS = 600_000;
	const FILES = 12;
	let path: string;

	beforeAll(async () => {
		path = join(dir, "large");
		await printed(["create", path, "--schema", "id long, text string"]);
		const engine = engineOn(openFileStore(path));
		let table = await loadSnapshot(engine);
		for (let file = 0; file < FILES && table !== undefined; file++) {
			const first = (file * ROWS) / FILES;
			const rows: Row[] = Array.from({ length: ROWS / FILES }, (_, i) => ({
				id: first + i,
				text: `${first + i}`.padEnd(300, "tributary "),
			}));
			table = await append(engine, table, [batchOf(table.schema, rows)]);
		}
	});

	test.each(["ndjson", "table"])(
		"is printed as %s no faster than it is read, in bounded memory",
		async (format) => {
			const child = startTributary(["table", "read", path, "--format", format]);
			let bytes = 0;
			let newlines = 0;
			let peak = 0;
			const errors = ended(child);
			child.stdout?.removeAllListeners("data");
			child.stdout?.pause();
			// What is waited for: a process that does not wait for its reader would have read it all.
			await sleep(4000);
			child.stdout?.on("data", (chunk: Buffer) => {
				bytes += chunk.length;
				for (const byte of chunk) if (byte === 10) newlines++;
				if (child.exitCode === null)
					try {
						peak = Math.max(peak, memoryOf(child.pid ?? 0).peak);
					} catch {
						// It has ended meanwhile.
					}
			});
			child.stdout?.resume();
			const { status, stderr } = await errors;
			expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
			expect(newlines).toBe(format === "table" ? ROWS + 1 : ROWS);
			if (format === "ndjson") expect(bytes).toBeGreaterThan(180e6);
			expect(peak).toBeGreaterThan(30e6);
			expect(peak).toBeLessThan(400e6);
		},
	);

	test("its first lines can be looked at without an error", async () => {
		const script = `set -o pipefail; "${resolve(import.meta.dirname, "../../bin/tributary")}" table read "${path}" --format ndjson | head -n 1`;
		const { status, stdout, stderr } = await ended(
			spawn("bash", ["-c", script], { stdio: ["ignore", "pipe", "pipe"] }),
		);
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		expect(stdout).toMatch(/^\{"id":0,"text":"0tributary .*"\}\n$/);
	});
});
