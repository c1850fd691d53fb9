import { type ChildProcess, spawn } from "node:child_process";
import { resolve } from "node:path";

const TRIBUTARY = resolve(import.meta.dirname, "../../bin/tributary");

export interface Ran {
	readonly status: number | null;
	readonly stdout: string;
	readonly stderr: string;
}

/** Starts the command line, as a person would. */
export function startTributary(
	argv: readonly string[],
	env: Readonly<Record<string, string>> = {},
): ChildProcess {
	return spawn(TRIBUTARY, argv, {
		env: { ...process.env, ...env },
		stdio: ["ignore", "pipe", "pipe"],
	});
}

/** Runs the command line to its end. */
export async function tributary(
	argv: readonly string[],
	env: Readonly<Record<string, string>> = {},
): Promise<Ran> {
	return await ended(startTributary(argv, env));
}

/** What a process printed, and how it ended. */
export async function ended(child: ChildProcess): Promise<Ran> {
	const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => {
		const chunks: Buffer[] = [];
		stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
		return (): string => Buffer.concat(chunks).toString();
	}) as [() => string, () => string];
	const status = await new Promise<number | null>((resolveExit, reject) => {
		child.once("error", reject);
		child.once("close", resolveExit);
	});
	return { status, stdout: stdout(), stderr: stderr() };
}
