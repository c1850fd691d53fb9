import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
	createWriteStream,
	mkdirSync,
	readFileSync,
	writeFileSync,
} from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import pg from "pg";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { stringify } from "yaml";
import type { RunRecord } from "../../src/ingest/runs.ts";
import { type Stack, startStack } from "../../stack/components.ts";
import { freePorts } from "../../stack/process.ts";
import { JUDGES, judged, ours } from "../support/judged.ts";
import { generator, seedOf } from "../support/seed.ts";
import { ended, startTributary, tributary } from "../support/tributary.ts";

const SEED = seedOf();

let dir: string;
let stack: Stack<"postgres" | "s3">;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-ingest-"));
	stack = await startStack({
		dir,
		components: ["postgres", "s3"],
		buckets: ["landing", "lake"],
	});
});

afterAll(async () => {
	await stack?.stop();
	await rm(dir, { recursive: true, force: true });
});

/** Files of the bucket, as their producer puts them; each has an ETag of its own. */
async function land(
	ingestion: string,
	files: Readonly<Record<string, string | Uint8Array>>,
): Promise<void> {
	const { openS3Store } = await import("../../src/storage/s3.ts");
	const store = openS3Store({
		bucket: "landing",
		prefix: ingestion,
		credentials: stack.s3,
	});
	const waiting = Object.entries(files);
	await Promise.all(
		Array.from({ length: 16 }, async () => {
			for (let one = waiting.pop(); one !== undefined; one = waiting.pop())
				await store.put(
					one[0],
					typeof one[1] === "string" ? Buffer.from(one[1]) : one[1],
				);
		}),
	);
}

/** The file that a person would write for it, with its Secrets. */
function ingestion(name: string, spec: Record<string, unknown> = {}): string {
	const secret = (secretName: string, stringData: Record<string, string>) => ({
		apiVersion: "v1",
		kind: "Secret",
		metadata: { name: secretName },
		stringData,
	});
	const documents = [
		secret("lake", {
			AWS_ACCESS_KEY_ID: stack.s3.accessKeyId,
			AWS_SECRET_ACCESS_KEY: stack.s3.secretAccessKey,
			AWS_REGION: stack.s3.region,
			AWS_ENDPOINT_URL: stack.s3.endpoint,
		}),
		secret("state", { url: stack.postgres.uri }),
		secret("api", { token: "let-me-in\n" }),
		{
			apiVersion: "tributary.dev/v1alpha1",
			kind: "FileIngestion",
			metadata: { name },
			spec: {
				source: {
					location: `s3://landing/${name}`,
					storageSecretRef: { name: "lake" },
				},
				format: { type: "ndjson" },
				sink: {
					location: `s3://lake/${name}`,
					storageSecretRef: { name: "lake" },
				},
				state: { connectionSecretRef: { name: "state", key: "url" } },
				...spec,
			},
		},
	];
	const file = join(dir, `${name}.yaml`);
	writeFileSync(
		file,
		documents.map((document) => stringify(document)).join("---\n"),
	);
	return file;
}

async function run(
	file: string,
	more: readonly string[] = [],
): Promise<RunRecord> {
	const { stdout, stderr } = await tributary([
		"ingest",
		"run",
		"-f",
		file,
		"--json",
		...more,
	]);
	expect(stdout, stderr).toMatch(/^\{/);
	return JSON.parse(stdout) as RunRecord;
}

const folder = (name: string): string => join(stack.s3.folder, "lake", name);

const rows = async (name: string): Promise<Record<string, unknown>[]> =>
	(await ours(folder(name))).rows.map((text) =>
		Object.fromEntries(JSON.parse(text) as [string, unknown][]),
	);

test("a thousand files are loaded, one that is corrupt alone is not, a changed one replaces its rows; other engines read the same", async () => {
	const name = "thousand";
	const file = (i: number): string => `day=${i % 7}/part-${i}.json`;
	const content = (i: number, generation = 0): string =>
		[0, 1, 2]
			.map((k) =>
				`{"id":${i * 10 + k},"generation":${generation},"name":"n${i}","at":"2026-11-${String((i % 28) + 1).padStart(2, "0")}T00:00:00Z","tags":["a",${k}]}\n`.replace(
					`"a",${k}`,
					`"a","${k}"`,
				),
			)
			.join("");
	await land(
		name,
		Object.fromEntries(
			Array.from({ length: 1000 }, (_, i) => [
				i % 10 === 0 ? `${file(i)}.gz` : file(i),
				i === 501
					? '{"id": 5010, "generation'
					: i % 10 === 0
						? gzipSync(content(i))
						: content(i),
			]),
		),
	);
	const yaml = ingestion(name, {
		sink: {
			location: `s3://lake/${name}`,
			storageSecretRef: { name: "lake" },
			schema: { columns: [{ name: "at", type: "timestamp" }] },
		},
	});
	const started = Date.now();
	expect(await run(yaml)).toMatchObject({
		status: "PARTIAL",
		filesListed: 1000,
		filesLoaded: 999,
		filesFailed: 1,
		records: 2997,
	});
	console.log(`1,000 files: ${Date.now() - started} ms`);
	expect(await rows(name)).toHaveLength(2997);
	const { stdout } = await tributary([
		...["ingest", "files", "-f", yaml],
		...["--status", "failed", "--json"],
	]);
	expect(JSON.parse(stdout)).toMatchObject({
		path: file(501),
		status: "FAILED",
		errorType: "INGEST_FILE_INVALID",
	});

	await land(name, { [file(501)]: content(501), [file(77)]: content(77, 1) });
	expect(await run(yaml)).toMatchObject({
		status: "SUCCESS",
		filesDiscovered: 2,
		filesLoaded: 2,
	});
	expect(await run(yaml)).toMatchObject({ filesDiscovered: 0 });
	const found = await rows(name);
	expect(new Set(found.map(({ id }) => id)).size).toBe(3000);
	expect(found).toHaveLength(3000);
	expect(
		found.filter(({ generation }) => generation === 1).map(({ id }) => id),
	).toEqual(expect.arrayContaining([770, 771, 772]));
	const { rows: texts, snapshot } = await ours(folder(name));
	expect(snapshot.version).toBeGreaterThan(8);
	for (const judge of JUDGES)
		expect(judged(judge, folder(name)), judge).toEqual(texts);
}, 300_000);

test(`two workers that are killed again and again load each file once (SEED=${SEED})`, async () => {
	const name = "killed";
	const random = generator(SEED);
	const files = new Map<string, number>();
	const write = async (names: readonly string[]): Promise<void> => {
		const landed: Record<string, string> = {};
		for (const one of names) {
			const generation = (files.get(one) ?? 0) + 1;
			files.set(one, generation);
			landed[one] = [0, 1, 2, 3]
				.map((i) => `{"file":"${one}","generation":${generation},"i":${i}}\n`)
				.join("");
		}
		await land(name, landed);
	};
	await write(Array.from({ length: 200 }, (_, i) => `f${i}.json`));
	const yaml = ingestion(name, {
		staleAfter: "2s",
		worker: {
			replicas: 2,
			parallelism: 2,
			commit: { maxFiles: 10, maxBytes: "1Mi" },
		},
	});
	const start = (): ChildProcess =>
		startTributary(["ingest", "run", "-f", yaml, "--json"]);
	const client = new pg.Client({ connectionString: stack.postgres.uri });
	await client.connect();
	const count = async (status: string): Promise<number> => {
		const { rows: found } = await client.query<{ n: number }>(
			"SELECT count(*)::int AS n FROM tributary_ingest.processed_files WHERE ingestion_id = 'default.killed' AND status = $1 AND (status <> 'PROCESSING' OR locked_at > clock_timestamp() - interval '2 seconds')",
			[status],
		);
		return found[0]?.n ?? 0;
	};
	let interrupted = 0;
	for (let round = 0; round < 5; round++) {
		const workers = [start(), start()];
		const over = Promise.all(workers.map(ended));
		// Both are at work, somewhere between taking files and telling that they are done.
		await vi.waitFor(
			async () => expect(await count("PROCESSING")).not.toBe(0),
			{
				timeout: 60_000,
				interval: 20,
			},
		);
		await sleep(random() * 1200);
		await write(
			Array.from({ length: 3 }, () => `f${Math.floor(random() * 200)}.json`),
		);
		for (const worker of workers) worker.kill("SIGKILL");
		await over;
		interrupted += await count("PROCESSING");
	}
	expect(interrupted).toBeGreaterThan(0);
	await sleep(2500);
	const last = await run(yaml);
	expect(last.status).toBe("SUCCESS");
	const wanted = [...files].flatMap(([file, generation]) =>
		[0, 1, 2, 3].map((i) => `${file} ${generation} ${i}`),
	);
	const found = (await rows(name)).map(
		({ file, generation, i }) => `${file} ${generation} ${i}`,
	);
	expect(found.sort()).toEqual(wanted.sort());
	try {
		const { rows: counts } = await client.query(
			"SELECT status, count(*)::int AS n FROM tributary_ingest.processed_files WHERE ingestion_id = 'default.killed' GROUP BY status",
		);
		expect(counts).toEqual([{ status: "SUCCESS", n: 200 }]);
		// The state is gone, the table says what it has.
		await client.query(
			"DELETE FROM tributary_ingest.ingestions WHERE id = 'default.killed'",
		);
	} finally {
		await client.end();
	}
	expect(await run(yaml)).toMatchObject({
		filesListed: 200,
		filesDiscovered: 0,
		filesLoaded: 0,
	});
	expect((await rows(name)).length).toBe(800);
}, 300_000);

test("a file of more than 100 MB is loaded in bounded memory", async () => {
	const name = "large";
	mkdirSync(join(stack.s3.folder, "landing", name), { recursive: true });
	const path = join(stack.s3.folder, "landing", name, "large.csv");
	const out = createWriteStream(path);
	out.write("id,name,amount,day,note\n");
	const count = 1_200_000;
	const pad = "x".repeat(60);
	for (let i = 0; i < count; i++)
		if (
			!out.write(
				`${i},name ${i % 1000},${i / 100},2026-11-${String((i % 28) + 1).padStart(2, "0")},"${pad}, ${i}"\n`,
			)
		)
			await once(out, "drain");
	await new Promise<void>((done) => out.end(done));
	const yaml = ingestion(name, { format: { type: "csv" } });
	const worker = startTributary(["ingest", "run", "-f", yaml, "--json"], {
		NODE_OPTIONS: "--max-old-space-size=256",
	});
	let peak = 0;
	const watch = setInterval(() => {
		try {
			const status = readFileSync(`/proc/${worker.pid}/status`, "utf8");
			peak = Math.max(
				peak,
				Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024,
			);
		} catch {
			// It has ended.
		}
	}, 100);
	const { stdout, stderr } = await ended(worker);
	clearInterval(watch);
	expect(stdout, stderr).toMatch(/^\{/);
	const result = JSON.parse(stdout) as RunRecord;
	expect(result).toMatchObject({ status: "SUCCESS", records: count });
	const { size } = await import("node:fs").then((fs) => fs.statSync(path));
	console.log(
		`${Math.round(size / 2 ** 20)} MiB of CSV, ${count} rows: ${((result.finishedMs ?? 0) - (result.startedMs ?? 0)) / 1000} s, ${Math.round(peak)} MiB at most`,
	);
	expect(size).toBeGreaterThan(100 * 2 ** 20);
	expect(peak).toBeLessThan(600);
}, 300_000);

test("a run that is asked for over HTTP is started for who has the token, and for nobody else", async () => {
	const name = "asked";
	await land(name, { "a.json": '{"id":1}\n' });
	const yaml = ingestion(name, {
		interval: "1h",
		api: { tokenSecretRef: { name: "api", key: "token" } },
	});
	const [port = 0] = await freePorts(1);
	const worker = startTributary([
		...["ingest", "run", "-f", yaml, "--watch", "--port", String(port)],
	]);
	const over = ended(worker);
	const root = `http://127.0.0.1:${port}`;
	const api = `${root}/api/v1/ingestions/${name}`;
	const ask = (path: string, method = "GET", token = "let-me-in") =>
		fetch(`${api}${path}`, {
			method,
			headers: { authorization: `Bearer ${token}` },
		});
	try {
		await vi.waitFor(
			async () => expect((await fetch(`${root}/readyz`)).status).toBe(200),
			{ timeout: 60_000, interval: 200 },
		);
		expect((await ask("/run", "POST", "guess")).status).toBe(401);
		expect((await fetch(`${api}/runs`)).status).toBe(401);
		expect((await ask("/run")).status).toBe(405);
		expect((await ask("/files?status=NONE")).status).toBe(400);
		await land(name, { "b.json": '{"id":2}\n', "c.json": "{" });
		const answer = await ask("/run", "POST");
		expect(answer.status).toBe(202);
		const { id } = (await answer.json()) as { id: string };
		await vi.waitFor(
			async () =>
				expect(await (await ask(`/runs/${id}`)).json()).toMatchObject({
					status: "PARTIAL",
					trigger: "api",
					filesLoaded: 1,
					filesFailed: 1,
				}),
			{ timeout: 60_000, interval: 200 },
		);
		expect(await (await ask("/files?status=failed")).json()).toMatchObject({
			files: [{ path: "c.json", status: "FAILED" }],
		});
		const retry = await ask("/retry", "POST");
		expect(retry.status).toBe(202);
		expect(await retry.json()).toMatchObject({ files: 1 });
		const metrics = await (await fetch(`${root}/metrics`)).text();
		expect(metrics).toContain(
			'tributary_ingest_files_loaded_total{ingestion="asked"} 2',
		);
		expect(metrics).toMatch(
			/tributary_ingest_files_failed_total\{code="INGEST_FILE_INVALID",ingestion="asked"\} [12]/,
		);
		expect(await (await fetch(`${root}/status`)).json()).toMatchObject({
			files: { SUCCESS: 2 },
			error: null,
		});
	} finally {
		worker.kill("SIGTERM");
	}
	expect((await over).status).toBe(0);
}, 120_000);

test("bad input is refused with the value and the next step", async () => {
	const yaml = ingestion("wrong", {
		format: { type: "xml" },
		worker: { replicas: 2 },
	});
	const { status, stderr } = await tributary(["ingest", "run", "-f", yaml]);
	expect(status).toBe(2);
	expect(stderr).toMatch(/spec\.format\.type: "xml"/);
	const denied = await tributary(
		["ingest", "check", "-f", ingestion("denied"), "--state", join(dir, "own")],
		{ TRIBUTARY_SECRET_LAKE_AWS_SECRET_ACCESS_KEY: "wrong" },
	);
	expect(denied.status).toBe(1);
	expect(denied.stdout).toMatch(/^FAILED {2}source.*STORAGE_ACCESS_DENIED/m);
	expect(denied.stdout).toMatch(/^FAILED {2}table.*STORAGE_ACCESS_DENIED/m);
	expect(denied.stdout).toMatch(/^ok {6}state/m);
}, 120_000);
