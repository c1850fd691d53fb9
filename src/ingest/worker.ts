import { randomUUID } from "node:crypto";
import { messageOf, TributaryError } from "../errors.ts";
import type { IngestMetrics } from "../observe/ingest-metrics.ts";
import { redactUris } from "../observe/log.ts";
import { isDue } from "../resource/cron-schedule.ts";
import type { IngestContext, IngestObserver } from "./context.ts";
import { runIngestion } from "./run.ts";
import { listRuns, type RunRecord, requestRun, takeRun } from "./runs.ts";
import { countFiles, type FileCounts } from "./state.ts";

/** How often runs that were asked for through another worker are looked for. */
const REQUESTS_MS = 5_000;
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;
/** Counting all files is not for every request. */
const COUNTS_MS = 5_000;

export interface IngestReport {
	readonly ingestion: string;
	readonly files: FileCounts | undefined;
	readonly lastRun: RunRecord | undefined;
	readonly tableVersion: number | undefined;
	/** Why nothing is loaded. */
	readonly error: string | undefined;
}

/** Looks at the source again and again, and starts runs that are asked for. */
export class IngestWorker {
	readonly #context: IngestContext;
	readonly #metrics: IngestMetrics | undefined;
	readonly #stopping = new AbortController();
	#wake: () => void = () => {};
	#error: { readonly message: string; readonly code: string } | undefined;
	#failures = 0;
	#lastLookMs: number | undefined;
	#version: number | undefined;
	#counts: { readonly at: number; readonly counts: FileCounts } | undefined;
	#started = false;

	constructor(context: IngestContext, metrics?: IngestMetrics) {
		this.#metrics = metrics;
		this.#context = { ...context, observe: this.#observer() };
		metrics?.follow(async () => ({
			files: lower(await this.#count()),
			failing: this.#error !== undefined,
			lastLook:
				this.#lastLookMs === undefined ? undefined : this.#lastLookMs / 1000,
			version: this.#version,
		}));
	}

	get id(): string {
		return this.#context.config.id;
	}

	/** Why the worker loads nothing now. */
	get problems(): readonly string[] {
		if (this.#error !== undefined)
			return [`${this.#error.code}: ${this.#error.message}`];
		return this.#started ? [] : ["the first look at the source is under way"];
	}

	async report(): Promise<IngestReport> {
		const { db, config } = this.#context;
		const [lastRun] = await listRuns(db, config.id, 1).catch(() => []);
		return {
			ingestion: config.id,
			files: await this.#count(),
			lastRun,
			tableVersion: this.#version,
			error: this.#error?.message,
		};
	}

	/** A run as soon as the one at work is done. @throws StateError */
	async request(): Promise<RunRecord> {
		const { db, config } = this.#context;
		const run = await requestRun(db, {
			id: randomUUID(),
			ingestion: config.id,
			trigger: "api",
		});
		this.#wake();
		return run;
	}

	/** Runs until `stop`; what fails is told in `problems`, and tried again. */
	async run(): Promise<void> {
		const { config } = this.#context;
		// Without a schedule the first look is at once.
		let next = config.schedule === undefined ? Date.now() : nextMinute();
		while (!this.#stopping.signal.aborted) {
			const requested = await this.#takeRequested();
			if (requested !== undefined) {
				await this.#look("api", requested);
				continue;
			}
			if (Date.now() >= next) {
				if (config.schedule === undefined) {
					await this.#look("watch");
					next = Date.now() + config.intervalMs;
				} else {
					if (isDue(config.schedule, new Date(next)))
						await this.#look("schedule");
					else this.#started = true;
					next = nextMinute();
				}
				if (this.#error !== undefined)
					next = Math.min(next, Date.now() + this.#retryMs());
			}
			await this.#sleep(Math.min(Math.max(0, next - Date.now()), REQUESTS_MS));
		}
	}

	/** Ends after the files at work. */
	stop(): void {
		this.#stopping.abort();
		this.#wake();
	}

	async #takeRequested(): Promise<RunRecord | undefined> {
		const { db, config, worker } = this.#context;
		try {
			return await takeRun(db, config.id, worker);
		} catch (error) {
			this.#failed(error);
			return undefined;
		}
	}

	async #look(
		trigger: "api" | "watch" | "schedule",
		requested?: RunRecord,
	): Promise<void> {
		try {
			await runIngestion(this.#context, {
				id: requested?.id ?? randomUUID(),
				trigger,
				taken: requested !== undefined,
				forgetEmpty: trigger === "watch",
				signal: this.#stopping.signal,
			});
			this.#error = undefined;
			this.#failures = 0;
			this.#started = true;
			this.#lastLookMs = Date.now();
		} catch (error) {
			this.#failed(error);
		}
		this.#counts = undefined;
	}

	#failed(error: unknown): void {
		this.#failures++;
		this.#error = {
			code: error instanceof TributaryError ? error.code : "UNEXPECTED",
			message: redactUris(messageOf(error)),
		};
	}

	#retryMs(): number {
		return Math.min(
			LAST_RETRY_MS,
			FIRST_RETRY_MS * 2 ** Math.min(10, this.#failures - 1),
		);
	}

	async #count(): Promise<FileCounts | undefined> {
		const { db, config } = this.#context;
		if (this.#counts === undefined || Date.now() - this.#counts.at > COUNTS_MS)
			try {
				this.#counts = {
					at: Date.now(),
					counts: await countFiles(db, config.id),
				};
			} catch {
				// The look that fails for the same reason tells it.
				return undefined;
			}
		return this.#counts.counts;
	}

	#sleep(ms: number): Promise<void> {
		if (this.#stopping.signal.aborted) return Promise.resolve();
		return new Promise((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.#wake = () => {
				clearTimeout(timer);
				resolve();
			};
		});
	}

	#observer(): IngestObserver {
		const metrics = this.#metrics;
		return {
			// A first load may take hours: the worker is at its work.
			listed: () => {
				this.#started = true;
			},
			group: (result, seconds) => {
				this.#version = result.snapshot?.version ?? this.#version;
				metrics?.filesLoaded.inc(result.loaded);
				metrics?.rows.inc(result.records);
				metrics?.bytesRead.inc(result.sourceBytes);
				metrics?.bytesWritten.inc(result.bytes);
				metrics?.commitSeconds.observe(seconds);
				for (const code of result.errors) metrics?.filesFailed.inc({ code });
			},
			run: ({ status }) => metrics?.runs.inc({ status: status.toLowerCase() }),
		};
	}
}

function nextMinute(): number {
	return (Math.floor(Date.now() / 60_000) + 1) * 60_000;
}

function lower(
	counts: FileCounts | undefined,
): Record<string, number> | undefined {
	return (
		counts &&
		Object.fromEntries(
			Object.entries(counts).map(([status, count]) => [
				status.toLowerCase(),
				count,
			]),
		)
	);
}
