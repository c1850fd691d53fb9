import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";

/** A component that this process started, and that ends with it. */
export interface Running {
	readonly name: string;
	readonly logFile: string;
	readonly pid: number;
	/** Ends it and waits for that: in good order, or at once with SIGKILL. */
	stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
	/** Sends a signal to its main process, and waits for nothing. */
	kill(signal: NodeJS.Signals): void;
	/** Ends it if it runs, and starts it again with the same ports and data. */
	restart(): Promise<void>;
}

export interface Place {
	/** Data and logs go below it. */
	readonly dir: string;
	/** The address to listen on. */
	readonly host?: string;
	/** Run inside this process's network namespace. */
	readonly netnsPid?: number | undefined;
	/** JVMs compile what they run often as well as they can: for measurements. */
	readonly steady?: boolean;
	/** A JVM leaves an archive of its classes here when it ends in good order. */
	readonly archiveTo?: string;
}

export interface Command {
	readonly name: string;
	readonly place: Place;
	readonly argv: readonly string[];
	readonly cwd?: string;
	readonly env?: Readonly<Record<string, string>>;
	/** Run as this user; needs root. */
	readonly user?: string;
	/** What asks it to end in good order. */
	readonly stopSignal?: NodeJS.Signals;
	/** Resolves once the component answers; it is asked again until then. */
	readonly ready: () => Promise<boolean>;
	readonly readyTimeoutMs?: number;
}

export const LOCALHOST = "127.0.0.1";

const children = new Set<ChildProcess>();

process.on("exit", () => {
	for (const child of children) signalGroup(child, "SIGKILL");
});

/** Starts a command and waits until it answers. `fields` become part of what is returned. */
export async function start<Fields extends object>(
	command: Command,
	fields: Fields,
): Promise<Running & Fields> {
	const logDir = join(command.place.dir, "log");
	mkdirSync(logDir, { recursive: true });
	const logFile = join(logDir, `${command.name}.log`);
	let child = await launch(command, logFile);

	const { stopSignal = "SIGTERM" } = command;
	const running: Running = {
		name: command.name,
		logFile,
		get pid() {
			return child.pid ?? -1;
		},
		stop: (signal) => end(child, signal === "SIGKILL" ? signal : stopSignal),
		kill: (signal) => {
			if (!ended(child) && child.pid !== undefined)
				process.kill(child.pid, signal);
		},
		restart: async () => {
			await end(child, stopSignal);
			child = await launch(command, logFile);
		},
	};
	// Descriptors, because a spread would freeze `pid` at its first value.
	return Object.defineProperties(
		{ ...fields },
		Object.getOwnPropertyDescriptors(running),
	) as Running & Fields;
}

async function launch(
	command: Command,
	logFile: string,
): Promise<ChildProcess> {
	const log = openSync(logFile, "a");
	const { netnsPid } = command.place;
	const argv = [
		...(netnsPid === undefined
			? []
			: ["nsenter", "-t", String(netnsPid), "-n", "--"]),
		// The kernel ends the component when this process dies, however it dies.
		"setpriv",
		...(command.user === undefined
			? []
			: [
					`--reuid=${command.user}`,
					`--regid=${command.user}`,
					"--init-groups",
				]),
		"--pdeathsig=KILL",
		"--",
		...command.argv,
	];
	const child = spawn(argv[0] ?? "", argv.slice(1), {
		cwd: command.cwd ?? command.place.dir,
		env: { ...process.env, ...command.env },
		detached: true,
		stdio: ["ignore", log, log],
	});
	closeSync(log);
	children.add(child);
	let failure: Error | undefined;
	child.once("error", (error) => {
		failure = error;
	});
	child.once("exit", () => children.delete(child));

	const timeoutMs = command.readyTimeoutMs ?? 90_000;
	const deadline = Date.now() + timeoutMs;
	for (;;) {
		if (failure !== undefined || ended(child))
			throw new Error(
				`${command.name} ended before it was ready (${failure?.message ?? child.signalCode ?? `exit status ${child.exitCode}`}); ${logFile} ends with:\n${tail(logFile)}`,
			);
		if (await command.ready().catch(() => false)) return child;
		if (Date.now() > deadline) {
			await end(child, "SIGKILL");
			throw new Error(
				`${command.name} was not ready in ${timeoutMs / 1000} s; ${logFile} ends with:\n${tail(logFile)}`,
			);
		}
		await new Promise((wake) => setTimeout(wake, 100));
	}
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
	if (ended(child) || child.pid === undefined) return;
	const gone = new Promise<void>((wake) => child.once("exit", () => wake()));
	// A stopped process takes no other signal.
	signalGroup(child, "SIGCONT");
	if (signal === "SIGKILL") signalGroup(child, signal);
	else process.kill(child.pid, signal);
	const hard = setTimeout(() => signalGroup(child, "SIGKILL"), 20_000);
	await gone;
	clearTimeout(hard);
}

function ended(child: ChildProcess): boolean {
	return child.exitCode !== null || child.signalCode !== null;
}

function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
	try {
		if (child.pid !== undefined) process.kill(-child.pid, signal);
	} catch (error) {
		// Gone in between is what was wanted.
		if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
	}
}

function tail(file: string): string {
	return readFileSync(file, "utf8").trimEnd().split("\n").slice(-20).join("\n");
}

/** User and system time of a process and all its threads so far; its clock has 100 ticks a second. */
export function cpuSecondsOf(pid: number): number {
	const fields =
		readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
	return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** Ports of the host's loopback that nothing listened on a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
	const servers = await Promise.all(
		Array.from(
			{ length: count },
			() =>
				new Promise<ReturnType<typeof createServer>>((ready, fail) => {
					const server = createServer();
					server.once("error", fail);
					server.listen(0, LOCALHOST, () => ready(server));
				}),
		),
	);
	return await Promise.all(
		servers.map(
			(server) =>
				new Promise<number>((ready) => {
					const address = server.address();
					const port = typeof address === "object" ? (address?.port ?? 0) : 0;
					server.close(() => ready(port));
				}),
		),
	);
}

export function answersTcp(host: string, port: number): Promise<boolean> {
	return new Promise((answer) => {
		const socket = connect({ host, port, timeout: 1000 });
		const done = (result: boolean): void => {
			socket.destroy();
			answer(result);
		};
		socket.once("connect", () => done(true));
		socket.once("error", () => done(false));
		socket.once("timeout", () => done(false));
	});
}

export async function answersHttp(url: string): Promise<boolean> {
	const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
	await response.body?.cancel();
	return response.status < 500 && response.status !== 404;
}

/** Resident memory of a process and its peak, in bytes. */
export function memoryOf(pid: number): { now: number; peak: number } {
	const status = readFileSync(`/proc/${pid}/status`, "utf8");
	const kilobytes = (name: string): number =>
		Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1] ?? 0);
	return { now: kilobytes("VmRSS") * 1024, peak: kilobytes("VmHWM") * 1024 };
}
