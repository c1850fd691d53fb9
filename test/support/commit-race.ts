import {
	type ChildProcess,
	type ChildProcessWithoutNullStreams,
	spawn,
} from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import type { Committed } from "./commit-ledger.ts";

export interface Racer extends Committed {
	readonly seconds: number;
	readonly cpuSeconds: number;
	/** Bytes. */
	readonly peakRss: number;
}

/** Starts a process for each name, lets all of them begin at once, and ends those that are left. */
export async function race(options: {
	readonly location: string;
	readonly environment: Readonly<Record<string, string>>;
	readonly names: readonly string[];
	readonly count: number;
}): Promise<Racer[]> {
	const children = options.names.map((name) => committer(options, name));
	try {
		const told = children.map(lines);
		await Promise.all(told.map((next) => next()));
		for (const child of children) child.stdin.write("go\n");
		return await Promise.all(
			told.map(async (next) => JSON.parse(await next()) as Racer),
		);
	} finally {
		for (const child of children) child.kill("SIGKILL");
	}
}

/**
 * Runs one committer that is killed `kills` times, each time after up to `afterMs` of committing, and
 * begins again; at last it may end.
 */
export async function raceWithKills(options: {
	readonly location: string;
	readonly environment: Readonly<Record<string, string>>;
	readonly name: string;
	readonly count: number;
	readonly kills: number;
	readonly afterMs: number;
	readonly random: () => number;
}): Promise<void> {
	for (let life = 0; life <= options.kills; life++) {
		const child = committer(options, options.name);
		try {
			const next = lines(child);
			await next();
			child.stdin.write("go\n");
			if (life < options.kills) await sleep(options.random() * options.afterMs);
			else await next();
		} finally {
			child.kill("SIGKILL");
		}
	}
}

function committer(
	options: {
		readonly location: string;
		readonly environment: Readonly<Record<string, string>>;
		readonly count: number;
	},
	name: string,
): ChildProcessWithoutNullStreams {
	return spawn(
		process.execPath,
		[
			join(import.meta.dirname, "commit-process.ts"),
			options.location,
			name,
			String(options.count),
		],
		{
			env: { ...process.env, ...options.environment },
			stdio: ["pipe", "pipe", "pipe"],
		},
	);
}

/** The lines of a process one by one; its errors are the error of the one that does not come. */
function lines(child: ChildProcess): () => Promise<string> {
	let errors = "";
	child.stderr?.on("data", (chunk: Buffer) => {
		errors += chunk.toString();
	});
	const input = child.stdout;
	if (input === null) throw new Error("a process without an output");
	const all = createInterface({ input })[Symbol.asyncIterator]();
	return async () => {
		const { value, done } = await all.next();
		if (done) throw new Error(`a process ended early: ${errors.slice(-2000)}`);
		return value;
	};
}
