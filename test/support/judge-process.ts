import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** What a judge answered when it could not do as asked; `name` is its own class of error. */
export class JudgeError extends Error {
	constructor(name: string, message: string) {
		super(message);
		this.name = name;
	}
}

interface Answer {
	readonly id?: number;
	readonly ready?: string;
	readonly result?: unknown;
	readonly error?: { readonly name: string; readonly message: string };
}

/**
 * A program that answers lines of JSON with lines of JSON (`stack/judges/wire.py`). It ends with the
 * process that started it, however that ends, and takes what it started with it.
 */
export class JudgeProcess {
	readonly #child: ChildProcess;
	readonly #log: string;
	readonly #waiting = new Map<number, (answer: Answer) => void>();
	#next = 1;

	private constructor(child: ChildProcess, log: string) {
		this.#child = child;
		this.#log = log;
	}

	/** `dir` gets its log. Resolves once it is ready to answer. */
	static async start(options: {
		readonly name: string;
		readonly dir: string;
		readonly argv: readonly string[];
		readonly env?: Readonly<Record<string, string>>;
	}): Promise<JudgeProcess> {
		const logFile = join(options.dir, `${options.name}.log`);
		const log = openSync(logFile, "a");
		const child = spawn(
			"setpriv",
			["--pdeathsig=KILL", "--", ...options.argv],
			{
				cwd: options.dir,
				env: {
					...process.env,
					PYTHONDONTWRITEBYTECODE: "1",
					TZ: "UTC",
					...options.env,
				},
				// A group of its own, so that the JVM below it ends too.
				detached: true,
				stdio: ["pipe", "pipe", log],
			},
		);
		closeSync(log);
		const judge = new JudgeProcess(child, logFile);
		process.once("exit", () => judge.#kill());
		await new Promise<void>((ready, fail) => {
			judge.#waiting.set(0, (answer) =>
				answer.error === undefined
					? ready()
					: fail(new JudgeError(answer.error.name, answer.error.message)),
			);
			judge.#listen();
		});
		return judge;
	}

	/** @throws JudgeError with what the judge says when it refuses */
	async ask(
		command: string,
		fields: Readonly<Record<string, unknown>>,
	): Promise<unknown> {
		const id = this.#next++;
		const answer = await new Promise<Answer>((resolve) => {
			this.#waiting.set(id, resolve);
			this.#child.stdin?.write(
				`${JSON.stringify({ id, command, ...fields })}\n`,
			);
		});
		if (answer.error !== undefined)
			throw new JudgeError(answer.error.name, answer.error.message);
		return answer.result;
	}

	async stop(): Promise<void> {
		if (this.#child.exitCode !== null || this.#child.signalCode !== null)
			return;
		const gone = new Promise<void>((end) =>
			this.#child.once("exit", () => end()),
		);
		this.#kill();
		await gone;
	}

	#listen(): void {
		const { stdout } = this.#child;
		if (stdout === null) throw new Error("a judge without standard output");
		createInterface({ input: stdout }).on("line", (line) => {
			const answer = JSON.parse(line) as Answer;
			const id = answer.ready === undefined ? (answer.id ?? 0) : 0;
			this.#waiting.get(id)?.(answer);
			this.#waiting.delete(id);
		});
		const failed = (reason: string): void => {
			const tail = readFileSync(this.#log, "utf8").split("\n").slice(-20);
			const message = `the judge ${reason}; its log ends with:\n${tail.join("\n")}`;
			for (const answer of this.#waiting.values())
				answer({ error: { name: "JudgeEnded", message } });
			this.#waiting.clear();
		};
		this.#child.once("error", (error) =>
			failed(`did not start (${error.message})`),
		);
		this.#child.once("exit", (status, signal) =>
			failed(`ended (${signal ?? `exit status ${status}`})`),
		);
		// A write to a judge that has ended is told of by its end.
		this.#child.stdin?.on("error", () => undefined);
	}

	#kill(): void {
		try {
			if (this.#child.pid !== undefined)
				process.kill(-this.#child.pid, "SIGKILL");
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
		}
	}
}
