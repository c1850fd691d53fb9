import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";

/** A component that this process started, and that ends with it. */
export interface Running {
	readonly name: string;
	readonly logFile: string;
	readonly pid: number;
	/** Ends it and waits for that. */
	stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
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
	readonly netnsPid?: number;
}

export interface Command {
	readonly name: string;
	readonly place: Place;
	readonly argv: readonly string[];
	readonly cwd?: string;
	readonly env?: Readonly<Record<string, string>>;
	/** Run as this user; needs root. */
	readonly user?: string;
	/** Resolves once the component answers; it is asked again until then. */
	readonly ready: () => Promise<boolean>;
	readonly readyTimeoutMs?: number;
}

const children = new Set<ChildProcess>();

function killAll(): void {
	for (const child of children) {
		try {
			if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
		} catch {
			// It ended in between.
		}
	}
}
process.on("exit", killAll);

export async function start(command: Command): Promise<Running> {
	const logDir = join(command.place.dir, "log");
	mkdirSync(logDir, { recursive: true });
	const logFile = join(logDir, `${command.name}.log`);
	let child = await launch(command, logFile);

	return {
		name: command.name,
		logFile,
		get pid() {
			return child.pid ?? -1;
		},
		stop: (signal = "SIGTERM") => end(child, signal),
		kill: (signal) => {
			if (child.exitCode === null && child.pid !== undefined)
				process.kill(child.pid, signal);
		},
		restart: async () => {
			await end(child, "SIGTERM");
			child = await launch(command, logFile);
		},
	};
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

	const deadline = Date.now() + (command.readyTimeoutMs ?? 90_000);
	for (;;) {
		if (failure !== undefined || child.exitCode !== null)
			throw new Error(
				`${command.name} ended before it was ready (${failure?.message ?? `exit status ${child.exitCode}`}); ${logFile} ends with:\n${tail(logFile)}`,
			);
		if (await command.ready().catch(() => false)) return child;
		if (Date.now() > deadline) {
			await end(child, "SIGKILL");
			throw new Error(
				`${command.name} was not ready in time; ${logFile} ends with:\n${tail(logFile)}`,
			);
		}
		await new Promise((wake) => setTimeout(wake, 100));
	}
}

async function end(
	child: ChildProcess,
	signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const ended = new Promise<void>((wake) => child.once("exit", () => wake()));
	const send = (name: NodeJS.Signals): void => {
		try {
			if (child.pid !== undefined) process.kill(-child.pid, name);
		} catch {
			// It ended in between.
		}
	};
	// A stopped process takes no other signal.
	send("SIGCONT");
	send(signal);
	const hard = setTimeout(() => send("SIGKILL"), 20_000);
	await ended;
	clearTimeout(hard);
}

function tail(file: string): string {
	return readFileSync(file, "utf8").trimEnd().split("\n").slice(-20).join("\n");
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
					server.listen(0, "127.0.0.1", () => ready(server));
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
