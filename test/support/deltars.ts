import { existsSync } from "node:fs";
import { join } from "node:path";
import type { StructField, StructType } from "../../src/columnar/types.ts";
import { JUDGES_PYTHON } from "../../stack/cache.ts";
import { JudgeProcess } from "./judge-process.ts";
import type { JudgedTable, ReadRequest } from "./spark.ts";
import type { Wire } from "./wire.ts";

const SERVER = join(
	import.meta.dirname,
	"../../stack/judges/deltars_server.py",
);

/** delta-rs, and DuckDB for reading. */
export class DeltaRs {
	static readonly installed = existsSync(JUDGES_PYTHON);
	readonly #process: JudgeProcess;

	private constructor(process: JudgeProcess) {
		this.#process = process;
	}

	/** `dir` gets its log. */
	static async open(dir: string): Promise<DeltaRs> {
		return new DeltaRs(
			await JudgeProcess.start({
				name: "delta-rs",
				dir,
				argv: [JUDGES_PYTHON, SERVER],
			}),
		);
	}

	async create(
		path: string,
		table: {
			readonly schema: StructType;
			readonly partition_by: readonly string[];
			readonly configuration: Readonly<Record<string, string>>;
		},
	): Promise<void> {
		await this.#process.ask("create", { path, ...table });
	}

	async write(
		path: string,
		data: {
			readonly schema: StructType;
			readonly rows: readonly (readonly Wire[])[];
			readonly mode: "append" | "overwrite";
			readonly schema_mode?: "merge" | "overwrite";
		},
	): Promise<void> {
		await this.#process.ask("write", { path, ...data });
	}

	/** By `id`: a third of what matches is deleted, the rest updated, what is new inserted. */
	async merge(
		path: string,
		schema: StructType,
		rows: readonly (readonly Wire[])[],
	): Promise<void> {
		await this.#process.ask("merge", { path, schema, rows });
	}

	async addColumn(path: string, field: StructField): Promise<void> {
		await this.#process.ask("add_column", { path, field });
	}

	/** One of the commands of the server that change a table. */
	async run(
		command: string,
		path: string,
		fields: Readonly<Record<string, unknown>> = {},
	): Promise<void> {
		await this.#process.ask(command, { path, ...fields });
	}

	/** What a full vacuum with this retention would delete, below the table's root. */
	async vacuumList(path: string, hours: number): Promise<readonly string[]> {
		return (await this.#process.ask("vacuum_list", {
			path,
			hours,
		})) as readonly string[];
	}

	async read(
		path: string,
		request: ReadRequest & { readonly engine?: "delta-rs" | "DuckDB" } = {},
	): Promise<JudgedTable> {
		return (await this.#process.ask("read", {
			path,
			...request,
		})) as JudgedTable;
	}

	async stop(): Promise<void> {
		await this.#process.stop();
	}
}
