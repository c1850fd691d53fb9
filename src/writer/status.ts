import type { Figures, WriterMetrics } from "../observe/metrics.ts";
import type { FlushOutcome } from "./batch-commit.ts";
import type { TopicPartition } from "./source.ts";
import { type Size, TableSize } from "./table-size.ts";
import type { TableWriter } from "./table-writer.ts";

interface TableState {
	version: number;
	rows: number;
	lastCommitMs: number;
	newestSourceMs: number;
}

/** What is looked at of a table. */
export type WatchedTable = Pick<
	TableWriter,
	| "route"
	| "topic"
	| "url"
	| "idle"
	| "rows"
	| "bytes"
	| "snapshot"
	| "committedOffset"
>;

interface PartitionState extends TopicPartition {
	/** Where it was read from first. */
	readonly start: bigint;
	/** When that was. */
	readonly sinceMs: number;
	readonly next: bigint;
	readonly highWatermark: bigint;
}

const KEPT_SAMPLES = 1000;
const RATE_WINDOW_MS = 60_000;

/** What a writer knows of itself: the answer of `/status`, `/readyz` and the gauges of `/metrics`. */
export class WriterStatus {
	/** Why there is nothing to consume yet. */
	waiting: string | undefined;
	/** Every table that this writer may write. */
	writers: () => readonly WatchedTable[] = () => [];
	readonly #metrics: WriterMetrics;
	readonly #tables = new Map<string, TableState>();
	readonly #sizes = new Map<string, TableSize>();
	readonly #partitions = new Map<string, PartitionState>();
	/** Partitions that the group gave to this writer; `undefined` until it did. */
	#assigned: number | undefined;
	readonly #problems = new Map<string, string>();
	/** From a change in the source to its commit, milliseconds. */
	readonly #freshness: number[] = [];
	readonly #commits: { at: number; rows: number }[] = [];

	constructor(metrics: WriterMetrics) {
		this.#metrics = metrics;
		metrics.follow(() => this.#figures(Date.now()));
	}

	/** Notes what keeps `of` from working; `undefined` when it works again. */
	problem(of: string, message: string | undefined): void {
		if (message === undefined) this.#problems.delete(of);
		else this.#problems.set(of, message);
	}

	get problems(): readonly string[] {
		return [...this.#problems.values()];
	}

	/** A rebalance gave so many partitions to this writer, or none yet; nothing is known of them. */
	assigned(partitions: number | undefined): void {
		this.#assigned = partitions;
		this.#partitions.clear();
	}

	/** A partition is read from `next` on. */
	placed(
		{ topic, partition }: TopicPartition,
		at: { readonly highWatermark: bigint; readonly next: bigint },
	): void {
		this.#partitions.set(`${topic}/${partition}`, {
			topic,
			partition,
			...at,
			start: at.next,
			sinceMs: Date.now(),
		});
	}

	consumed(
		{ topic, partition }: TopicPartition,
		at: { readonly highWatermark: bigint; readonly next: bigint },
	): void {
		const key = `${topic}/${partition}`;
		const known = this.#partitions.get(key);
		if (known !== undefined) this.#partitions.set(key, { ...known, ...at });
	}

	/** Kafka's newest end of a partition that may not be read just now. */
	ended({ topic, partition }: TopicPartition, highWatermark: bigint): void {
		const key = `${topic}/${partition}`;
		const known = this.#partitions.get(key);
		if (known !== undefined && highWatermark > known.highWatermark)
			this.#partitions.set(key, { ...known, highWatermark });
	}

	/** Topics with a partition that this writer reads. */
	get topics(): ReadonlySet<string> {
		return new Set([...this.#partitions.values()].map(({ topic }) => topic));
	}

	committed(
		table: Pick<TableWriter, "route">,
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
			const ms = nowMs - outcome.oldestStreamedMs;
			this.#freshness.push(ms);
			if (this.#freshness.length > KEPT_SAMPLES) this.#freshness.shift();
			this.#metrics.sourceToCommitSeconds.observe(
				{ table: table.route.path },
				// The source's clock may be ahead of ours.
				Math.max(0, ms) / 1000,
			);
		}
	}

	/** One past the last record of each partition that every table has committed. */
	groupOffsets(
		topic: string,
	): (TopicPartition & { readonly offset: bigint })[] {
		return [...this.#partitions.values()]
			.filter((one) => one.topic === topic)
			.flatMap((one) => {
				const offset = this.#done(one);
				return offset > 0n ? [{ topic, partition: one.partition, offset }] : [];
			});
	}

	/** One past the last record of a partition that needs no more reading. */
	#done({ topic, partition, start, next }: PartitionState): bigint {
		const tables = this.writers().filter((table) => table.topic === topic);
		// Offsets behind the last row may be markers of transactions, which no table holds.
		if (tables.every((table) => table.idle)) return next;
		return tables.reduce((least, table) => {
			const after = table.committedOffset(partition) + 1n;
			const done = after > start ? after : start;
			return done < least ? done : least;
		}, next);
	}

	#lag(partition: PartitionState): number {
		const lag = partition.highWatermark - this.#done(partition);
		return Number(lag > 0n ? lag : 0n);
	}

	/** `undefined` until every partition is known, but for those whose position is lost. */
	#lagRecords(): number | undefined {
		if (this.#assigned === undefined) return undefined;
		if (this.#assigned > 0 && this.#partitions.size === 0) return undefined;
		let lag = 0;
		for (const partition of this.#partitions.values())
			lag += this.#lag(partition);
		return lag;
	}

	#figures(nowMs: number): Figures {
		const partitions = [...this.#partitions.values()].map((one) => ({
			topic: one.topic,
			partition: one.partition,
			sinceMs: one.sinceMs,
			lagRecords: this.#lag(one),
		}));
		return {
			partitions,
			tables: this.writers().map((table) => {
				const { path } = table.route;
				const state = this.#tables.get(path);
				const own = partitions.filter(({ topic }) => topic === table.topic);
				const late = own.filter(({ lagRecords }) => lagRecords > 0);
				const newest = state?.newestSourceMs ?? 0;
				const age = newest === 0 ? undefined : (nowMs - newest) / 1000;
				const waits = Math.max(
					...late.map(({ sinceMs }) => (nowMs - sinceMs) / 1000),
				);
				return {
					table: path,
					failing: this.#problems.has(table.url),
					pendingRows: table.rows,
					pendingBytes: table.bytes,
					lagSeconds:
						own.length === 0
							? undefined
							: late.length === 0
								? 0
								: // Before the first commit: at least since it began to read.
									Math.max(0, age ?? waits),
					freshnessSeconds: age,
					lastCommit:
						state === undefined ? undefined : state.lastCommitMs / 1000,
					...this.#size(table, nowMs),
				};
			}),
		};
	}

	#size(table: WatchedTable, nowMs: number): Partial<Size> {
		if (table.snapshot === undefined) return {};
		const { path } = table.route;
		const size = this.#sizes.get(path) ?? new TableSize();
		this.#sizes.set(path, size);
		const { version, files, bytes, rows } = size.of(table.snapshot, nowMs);
		return { version, files, bytes, rows };
	}

	#sizeNow(
		path: string,
		nowMs: number,
	): Pick<WriterReport["tables"][number], "tableRows" | "files" | "bytes"> {
		const table = this.writers().find(({ route }) => route.path === path);
		if (table === undefined) return {};
		const { rows, files, bytes } = this.#size(table, nowMs);
		return {
			...(rows !== undefined && { tableRows: rows }),
			...(files !== undefined && { files }),
			...(bytes !== undefined && { bytes }),
		};
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
		const sorted = [...this.#freshness].sort((a, b) => a - b);
		const p95 = sorted[Math.ceil(sorted.length * 0.95) - 1];
		return {
			tables: [...this.#tables].map(([name, table]) => ({
				name,
				version: table.version,
				rows: table.rows,
				lastCommit: new Date(table.lastCommitMs).toISOString(),
				...(table.newestSourceMs > 0 && {
					newestChange: new Date(table.newestSourceMs).toISOString(),
				}),
				...this.#sizeNow(name, now),
			})),
			lagRecords: this.#lagRecords() ?? null,
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
		/** Of the source's clock. */
		readonly newestChange?: string;
		/** Of the newest version that this writer has read. */
		readonly tableRows?: number;
		readonly files?: number;
		readonly bytes?: number;
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
