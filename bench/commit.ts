import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { loadSnapshot } from "../src/delta/snapshot.ts";
import { openStore, storageCredentials } from "../src/storage/open.ts";
import { JUDGES_PYTHON, startS3 } from "../stack/components.ts";
import { median } from "./median.ts";

/**
 * Appends of one row, each a Parquet file and a commit: by one process and by four on one table, in a
 * local folder and on S3 (versitygw), beside delta-rs in the same run. Rounds of the candidates take
 * turns, and the median of each is told.
 */
const { values } = parseArgs({
	options: {
		commits: { type: "string", default: "200" },
		rounds: { type: "string", default: "3" },
		processes: { type: "string", default: "1,4" },
		only: { type: "string" },
		profile: { type: "boolean", default: false },
	},
});
const commits = Number(values.commits);
const root = resolve(import.meta.dirname, "..");

interface Result {
	readonly seconds: number;
	readonly cpuSeconds: number;
	readonly peakRss: number;
	readonly errors: number;
}

const dir = mkdtempSync(join(tmpdir(), "tributary-bench-commit-"));
chmodSync(dir, 0o755);
const s3 = await startS3({ dir, buckets: ["lake"] });
const environment = {
	AWS_ACCESS_KEY_ID: s3.accessKeyId,
	AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
	AWS_REGION: s3.region,
	AWS_ENDPOINT_URL: s3.endpoint,
};

/** delta-rs makes a checkpoint every 100 commits by itself, we every 10. */
const candidates: Readonly<
	Record<string, (location: string, each: number) => ChildProcess>
> = {
	"tributary, checkpoint every 100": (location, each) =>
		own(location, each, 100),
	"tributary, checkpoint every 10": (location, each) => own(location, each, 10),
	"delta-rs": (location, each) =>
		spawn(
			JUDGES_PYTHON,
			[
				join(import.meta.dirname, "peer_commit.py"),
				location.startsWith("s3:") ? location : `file://${location}`,
				String(each),
			],
			{
				env: {
					...process.env,
					PEER_OPTIONS: JSON.stringify(
						location.startsWith("s3:")
							? { ...environment, AWS_ALLOW_HTTP: "true" }
							: {},
					),
				},
				stdio: ["pipe", "pipe", "inherit"],
			},
		),
};

try {
	for (const place of ["folder", "S3"])
		for (const processes of values.processes.split(",").map(Number)) {
			const results = new Map<string, Result[]>();
			for (let round = 0; round < Number(values.rounds); round++)
				for (const [name, start] of Object.entries(candidates)) {
					if (values.only !== undefined && !name.includes(values.only))
						continue;
					const table = `${name.replaceAll(/\W+/g, "-")}-${processes}-${round}`;
					const location =
						place === "S3" ? `s3://lake/${table}` : join(dir, table);
					const result = await run(processes, (each) => start(location, each));
					await check(location, processes);
					results.set(name, [...(results.get(name) ?? []), result]);
				}
			for (const [name, rounds] of results)
				console.log(
					JSON.stringify({
						place,
						processes,
						candidate: name,
						"commits/s": Math.round(
							commits / median(rounds.map(({ seconds }) => seconds)),
						),
						"CPU ms per commit": Number(
							(
								(median(rounds.map(({ cpuSeconds }) => cpuSeconds)) / commits) *
								1000
							).toFixed(2),
						),
						"peak RSS MB": Math.round(
							Math.max(...rounds.map(({ peakRss }) => peakRss)) / 1e6,
						),
						errors: rounds.reduce((sum, { errors }) => sum + errors, 0),
					}),
				);
		}
} finally {
	await s3.stop();
	rmSync(dir, { recursive: true, force: true });
}

function own(location: string, each: number, interval: number): ChildProcess {
	return spawn(
		process.execPath,
		[
			...(values.profile
				? ["--cpu-prof", `--cpu-prof-dir=${root}/.tributary`]
				: []),
			join(import.meta.dirname, "commit-worker.ts"),
			location,
			String(each),
			String(interval),
		],
		{
			env: { ...process.env, ...environment },
			stdio: ["pipe", "pipe", "inherit"],
		},
	);
}

/** Time of the slowest, CPU of all, memory of the largest. */
async function run(
	processes: number,
	start: (each: number) => ChildProcess,
): Promise<Result> {
	const children: ChildProcess[] = [];
	try {
		const outputs = [];
		// One after the other, so that the first one makes the table.
		for (let i = 0; i < processes; i++) {
			const child = start(commits / processes);
			children.push(child);
			if (child.stdout === null) throw new Error("a process without output");
			const lines = createInterface({ input: child.stdout })[
				Symbol.asyncIterator
			]();
			await lines.next();
			outputs.push(lines);
		}
		for (const child of children) child.stdin?.write("go\n");
		const results = await Promise.all(
			outputs.map(async (lines) => {
				const { value, done } = await lines.next();
				if (done) throw new Error("a process ended early");
				return JSON.parse(value) as Result;
			}),
		);
		// A profile is written at the end.
		await Promise.all(children.map(ended));
		return {
			seconds: Math.max(...results.map(({ seconds }) => seconds)),
			cpuSeconds: results.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
			peakRss: Math.max(...results.map(({ peakRss }) => peakRss)),
			errors: results.reduce((sum, { errors }) => sum + errors, 0),
		};
	} finally {
		for (const child of children) child.kill();
	}
}

/** Every append is one file; the table's beginning and each process's warm-up come on top. */
async function check(location: string, processes: number): Promise<void> {
	const snapshot = await loadSnapshot({
		store: openStore(location, storageCredentials(environment)),
		now: Date.now,
		uuid: () => "",
		sleep: async () => {},
		random: Math.random,
	});
	const files = snapshot?.files.size ?? 0;
	if (files < commits + processes || files > commits + processes + 1)
		throw new Error(`${location} has ${files} files of ${commits} appends`);
}

async function ended(child: ChildProcess): Promise<void> {
	if (child.exitCode === null && child.signalCode === null)
		await once(child, "exit");
}
