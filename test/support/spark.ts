import { existsSync, mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StructType } from "../../src/columnar/types.ts";
import { SPARK_PYTHON } from "../../stack/cache.ts";
import { JudgeProcess } from "./judge-process.ts";
import type { Wire } from "./wire.ts";

const SERVER = join(import.meta.dirname, "../../stack/judges/spark_server.py");

export interface JudgedTable {
	readonly schema: StructType;
	readonly rows: readonly (readonly Wire[])[];
}

export interface ReadRequest {
	readonly version?: number;
	/** SQL of the judge. */
	readonly where?: string;
	readonly columns?: readonly string[];
}

/** Spark in one JVM; opening it takes some seconds, and the first statements are slow. */
export class Spark {
	/** Whether `stack/install.sh spark` was run. */
	static readonly installed = existsSync(SPARK_PYTHON);
	static #shared: Promise<Spark> | undefined;
	readonly #dir: string;
	readonly #process: JudgeProcess;

	private constructor(dir: string, process: JudgeProcess) {
		this.#dir = dir;
		this.#process = process;
	}

	/** The one JVM of all tests in this process; `stopShared` ends it. */
	static shared(): Promise<Spark> {
		Spark.#shared ??= mkdtemp(join(tmpdir(), "tributary-spark-")).then((dir) =>
			Spark.#open(dir),
		);
		return Spark.#shared;
	}

	static async stopShared(): Promise<void> {
		const spark = await Spark.#shared;
		if (spark === undefined) return;
		await spark.#process.stop();
		await rm(spark.#dir, { recursive: true, force: true });
	}

	/** `dir` gets its log and its scratch files. */
	static async #open(dir: string): Promise<Spark> {
		const scratch = join(dir, "spark");
		mkdirSync(scratch, { recursive: true });
		return new Spark(
			dir,
			await JudgeProcess.start({
				name: "spark",
				dir,
				argv: [SPARK_PYTHON, SERVER, scratch],
				env: {
					SPARK_LOCAL_IP: "127.0.0.1",
					// Seconds for each answer of its JVM, which are 15 otherwise: too few on a busy machine.
					SPARK_AUTH_SOCKET_TIMEOUT: "120",
					PYTHONHASHSEED: "0",
				},
			}),
		);
	}

	/** Runs one statement; every value of its result as text. */
	async sql(text: string): Promise<(string | null)[][]> {
		return (await this.#process.ask("sql", { text })) as (string | null)[][];
	}

	/** A temporary view of rows, to be inserted or merged from. */
	async rows(
		view: string,
		schema: StructType,
		rows: readonly (readonly Wire[])[],
	): Promise<void> {
		await this.#process.ask("rows", { view, schema, rows });
	}

	async read(path: string, request: ReadRequest = {}): Promise<JudgedTable> {
		return (await this.#process.ask("read", {
			path,
			...request,
		})) as JudgedTable;
	}

	/** The change data feed of both versions and what is between them. */
	async changes(
		path: string,
		first: number,
		last: number,
	): Promise<JudgedTable> {
		return (await this.#process.ask("changes", {
			path,
			first,
			last,
		})) as JudgedTable;
	}

	/** Names of the data files that a scan opens. */
	async files(path: string, where?: string): Promise<string[]> {
		return (await this.#process.ask("explain", { path, where })) as string[];
	}
}
