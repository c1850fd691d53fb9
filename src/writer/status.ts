import type { WriterMetrics } from "../observe/metrics.ts";
import type { TopicPartition } from "./source.ts";
import type { FlushOutcome, TableWriter } from "./table-writer.ts";

interface TableState {
	version: number;
	rows: number;
	lastCommitMs: number;
	newestSourceMs: number;
}

const KEPT_SAMPLES = 1000;
const RATE_WINDOW_MS = 60_000;

/** What a writer knows of itself: the answer of `/status`, `/readyz` and the lag metrics. */
export class WriterStatus {
	/** Why there is nothing to consume yet. */
	waiting: string | undefined;
	readonly #metrics: WriterMetrics;
	readonly #tables = new Map<string, TableState>();
	readonly #partitions = new Map<
		string,
		{ topic: string; partition: number; highWatermark: bigint; next: bigint }
	>();
	readonly #problems = new Map<string, string>();
	/** From a change in the source to its commit, milliseconds. */
	readonly #freshness: number[] = [];
	readonly #commits: { at: number; rows: number }[] = [];
	/** Rows that were read and wait for their commit. */
	pendingRows: () => number = () => 0;

	constructor(metrics: WriterMetrics) {
		this.#metrics = metrics;
	}

	/** Notes what keeps `of` from working; `undefined` when it works again. */
	problem(of: string, message: string | undefined): void {
		if (message === undefined) this.#problems.delete(of);
		else this.#problems.set(of, message);
	}

	get problems(): readonly string[] {
		return [...this.#problems.values()];
	}

	consumed(
		topic: string,
		partition: number,
		at: { readonly highWatermark: bigint; readonly next: bigint },
	): void {
		this.#partitions.set(`${topic}/${partition}`, { topic, partition, ...at });
		const lag = at.highWatermark - at.next;
		this.#metrics.lagRecords.set(
			{ topic, partition: String(partition) },
			Number(lag > 0n ? lag : 0n),
		);
	}

	committed(
		table: TableWriter,
		outcome: Extract<FlushOutcome, { kind: "committed" }>,
		nowMs: number,
	): void {
		const before = this.#tables.get(table.route.path);
		this.#tables.set(table.route.path, {
			version: outcome.version,
			rows: (before?.rows ?? 0) + outcome.rows,
			lastCommitMs: nowMs,
			newestSourceMs: Math.max(
				outcome.newestSourceMs,
				before?.newestSourceMs ?? 0,
			),
		});
		this.#commits.push({ at: nowMs, rows: outcome.rows });
		if (outcome.oldestStreamedMs > 0) {
			this.#freshness.push(nowMs - outcome.oldestStreamedMs);
			if (this.#freshness.length > KEPT_SAMPLES) this.#freshness.shift();
			this.#metrics.freshnessSeconds.set(
				{ table: table.route.path },
				(nowMs - outcome.newestSourceMs) / 1000,
			);
		}
	}

	/** One past the last record of each partition that every table has committed. */
	groupOffsets(
		topic: string,
		tables: readonly TableWriter[],
	): (TopicPartition & { readonly offset: bigint })[] {
		return [...this.#partitions.values()]
			.filter((one) => one.topic === topic)
			.flatMap(({ partition, next }) => {
				// Offsets behind the last row may be markers of transactions, which no table holds.
				const offset = tables.every((table) => table.idle)
					? next
					: tables.reduce((least, table) => {
							const after = table.committedOffset(partition) + 1n;
							return after < least ? after : least;
						}, next);
				return offset > 0n ? [{ topic, partition, offset }] : [];
			});
	}

	/** The body of `/status`. */
	report(): WriterReport {
		const now = Date.now();
		while ((this.#commits[0]?.at ?? now) < now - RATE_WINDOW_MS)
			this.#commits.shift();
		const rows = this.#commits.reduce((sum, one) => sum + one.rows, 0);
		const first = this.#commits[0]?.at ?? now;
		const newest = Math.max(
			0,
			...[...this.#tables.values()].map((table) => table.newestSourceMs),
		);
		let lag = 0;
		for (const one of this.#partitions.values())
			lag += Math.max(0, Number(one.highWatermark - one.next));
		lag += this.pendingRows();
		const sorted = [...this.#freshness].sort((a, b) => a - b);
		const p95 = sorted[Math.ceil(sorted.length * 0.95) - 1];
		return {
			tables: [...this.#tables].map(([name, table]) => ({
				name,
				version: table.version,
				rows: table.rows,
				lastCommit: new Date(table.lastCommitMs).toISOString(),
			})),
			lagRecords: this.#partitions.size === 0 ? null : lag,
			freshnessSeconds: newest === 0 ? null : (now - newest) / 1000,
			freshnessP95Seconds: p95 === undefined ? null : p95 / 1000,
			rowsPerSecond: rows / Math.max(1, (now - first) / 1000),
			error: this.problems[0] ?? null,
			waiting: this.waiting ?? null,
		};
	}
}

export interface WriterReport {
	readonly tables: readonly {
		readonly name: string;
		readonly version: number;
		/** Changes that this process committed. */
		readonly rows: number;
		readonly lastCommit: string;
	}[];
	readonly lagRecords: number | null;
	/** Age of the newest source change that is committed. */
	readonly freshnessSeconds: number | null;
	/** 95th percentile, over the latest commits, from the oldest change of a batch to its commit. */
	readonly freshnessP95Seconds: number | null;
	readonly rowsPerSecond: number;
	readonly error: string | null;
	readonly waiting: string | null;
}
