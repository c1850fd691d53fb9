import { messageOf, TributaryError } from "../errors.ts";
import type { Logger } from "../observe/log.ts";
import type { WriterMetrics } from "../observe/metrics.ts";
import type { FlushOutcome } from "./batch-commit.ts";
import type { Clock } from "./clock.ts";
import { retrying } from "./retry.ts";
import type { WriterStatus } from "./status.ts";
import type { TableChange } from "./table-schema.ts";
import type { TableWriter } from "./table-writer.ts";

export interface FlusherOptions {
	readonly clock: Clock;
	readonly random: () => number;
	readonly log: Logger;
	readonly metrics: WriterMetrics;
	readonly status: WriterStatus;
	/** Ends retries. */
	readonly signal: AbortSignal;
	/** A table's positions have to be read again: another writer went further, or its batch can't be written as it is. */
	readonly onStartOver: (table: TableWriter, reason: string) => void;
	readonly onCommitted: (table: TableWriter) => void;
	/** A fault of the program. */
	readonly onFailure: (error: unknown) => void;
}

/** Commits the batches of tables; those of one table one after another. */
export class Flusher {
	readonly #options: FlusherOptions;
	readonly #running = new Map<TableWriter, Promise<void>>();
	/** Tables whose last try failed. */
	readonly #failing = new Set<TableWriter>();

	constructor(options: FlusherOptions) {
		this.#options = options;
	}

	/** The commit that is under way. */
	running(table: TableWriter): Promise<void> | undefined {
		return this.#running.get(table);
	}

	failing(table: TableWriter): boolean {
		return this.#failing.has(table);
	}

	/** Commits what the table has so far, after what is under way. */
	flush(table: TableWriter): Promise<void> {
		const before = this.#running.get(table);
		const run = (async () => {
			await before;
			await this.#flush(table);
		})()
			.catch((error: unknown) => {
				if (!this.#options.signal.aborted) this.#options.onFailure(error);
			})
			.finally(() => {
				if (this.#running.get(table) === run) this.#running.delete(table);
			});
		this.#running.set(table, run);
		return run;
	}

	/** Tries until it works; the table counts as failing meanwhile. */
	async retry<T>(table: TableWriter, run: () => Promise<T>): Promise<T> {
		const { clock, random, signal, status, log, metrics } = this.#options;
		const result = await retrying(run, {
			clock,
			random,
			signal,
			onFailure: (error, attempt) => {
				this.#failing.add(table);
				status.problem(table.url, messageOf(error));
				metrics.retries.inc({
					table: table.route.path,
					code: error instanceof TributaryError ? error.code : "UNEXPECTED",
				});
				log.warn({ err: error, table: table.url, attempt }, "trying again");
			},
		});
		this.#failing.delete(table);
		status.problem(table.url, undefined);
		return result;
	}

	async #flush(table: TableWriter): Promise<void> {
		const { clock, onStartOver } = this.#options;
		const started = clock.now();
		const outcome = await this.retry(table, () => table.flush());
		switch (outcome.kind) {
			case "nothing":
				return;
			case "fenced":
				this.#changed(table, outcome.schemaChanges);
				onStartOver(table, outcome.reason);
				return;
			case "committed":
				this.#committed(table, outcome, clock.now() - started);
		}
	}

	#changed(table: TableWriter, changes: readonly TableChange[]): void {
		const { metrics, log } = this.#options;
		for (const change of changes) {
			const { kind, by, path } = change;
			metrics.schemaChanges.inc({ table: table.route.path, kind, by });
			log.info(
				{
					table: table.url,
					column: path.join("."),
					by,
					...(change.kind === "drop"
						? {}
						: { from: change.from, to: change.to }),
				},
				CHANGED[kind],
			);
		}
	}

	#committed(
		table: TableWriter,
		outcome: Extract<FlushOutcome, { kind: "committed" }>,
		ms: number,
	): void {
		const { metrics, log, status, clock, onCommitted } = this.#options;
		const labels = { table: table.route.path };
		metrics.rows.inc(labels, outcome.rows);
		metrics.bytes.inc(labels, outcome.bytes);
		metrics.commits.inc(labels);
		metrics.commitSeconds.observe(labels, ms / 1000);
		metrics.batchRows.observe(labels, outcome.rows);
		metrics.batchBytes.observe(labels, outcome.bytes);
		this.#changed(table, outcome.schemaChanges);
		status.committed(table, outcome, clock.now());
		log.info(
			{
				table: table.url,
				version: outcome.version,
				rows: outcome.rows,
				bytes: outcome.bytes,
				ms: Math.round(ms),
			},
			"committed",
		);
		onCommitted(table);
	}
}

const CHANGED: Readonly<Record<TableChange["kind"], string>> = {
	add: "column added",
	widen: "column widened",
	drop: "column dropped or renamed",
};
