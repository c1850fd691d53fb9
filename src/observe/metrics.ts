import {
	AggregatorRegistry,
	Counter,
	collectDefaultMetrics,
	Gauge,
	Histogram,
	type PrometheusContentType,
	Registry,
} from "prom-client";

/** Every metric of a writer; names and labels stand here and nowhere else. */
export interface WriterMetrics {
	readonly registry: Registry;
	readonly messages: Counter<"topic">;
	readonly rows: Counter<"table">;
	readonly bytes: Counter<"table">;
	readonly commits: Counter<"table">;
	readonly commitSeconds: Histogram<"table">;
	readonly sourceToCommitSeconds: Histogram<"table">;
	readonly batchRows: Histogram<"table">;
	readonly batchBytes: Histogram<"table">;
	readonly retries: Counter<"table" | "code">;
	readonly deadLetters: Counter<"table" | "code">;
	readonly deadLettersSuperseded: Counter<"table">;
	readonly repeatedChanges: Counter<"table">;
	readonly schemaChanges: Counter<"table" | "kind" | "by">;
	readonly rebalances: Counter;
	/** What is asked at each scrape. */
	follow(figures: () => Figures): void;
}

/** How far a writer is, at one moment. */
export interface Figures {
	readonly partitions: readonly {
		readonly topic: string;
		readonly partition: number;
		/** Records that are in Kafka and in no commit. */
		readonly lagRecords: number;
	}[];
	readonly tables: readonly TableFigures[];
}

/** What is unknown is absent, and has no sample. */
export interface TableFigures {
	readonly table: string;
	readonly failing: boolean;
	readonly pendingRows: number;
	readonly pendingBytes: number;
	readonly lagSeconds?: number | undefined;
	readonly freshnessSeconds?: number | undefined;
	/** Seconds since the epoch. */
	readonly lastCommit?: number | undefined;
	readonly version?: number | undefined;
	readonly rows?: number | undefined;
	readonly files?: number | undefined;
	readonly bytes?: number | undefined;
}

type TableGauge = Exclude<keyof TableFigures, "table">;

const TABLE_GAUGES: Readonly<Record<TableGauge, readonly [string, string]>> = {
	lagSeconds: [
		"tributary_lag_seconds",
		"Age of the newest committed source change while records wait, 0 when none does.",
	],
	freshnessSeconds: [
		"tributary_freshness_seconds",
		"Age of the newest source change that is committed; it grows while the source is quiet.",
	],
	failing: [
		"tributary_table_failing",
		"1 while the last try to read or commit the table failed.",
	],
	pendingRows: [
		"tributary_pending_rows",
		"Decoded changes that wait for their commit.",
	],
	pendingBytes: [
		"tributary_pending_bytes",
		"Memory of the changes that wait for their commit.",
	],
	lastCommit: [
		"tributary_last_commit_timestamp_seconds",
		"Time of the last commit of this process.",
	],
	version: [
		"tributary_table_version",
		"Newest version of the table that the writer knows.",
	],
	rows: [
		"tributary_table_rows",
		"Rows of that version; of more than 10,000 files they are counted once a minute at most.",
	],
	files: ["tributary_table_files", "Data files of that version."],
	bytes: ["tributary_table_bytes", "Bytes of the data files of that version."],
};

/** @param options.pipeline - name of the pipeline, a label of every sample */
export function createWriterMetrics(options: {
	readonly pipeline: string;
	/** The metrics of the process itself; one registry of a process has them. */
	readonly process?: boolean;
}): WriterMetrics {
	const registry = new Registry();
	registry.setDefaultLabels({ pipeline: options.pipeline });
	if (options.process !== false) collectDefaultMetrics({ register: registry });
	const registers = [registry];
	const seconds = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];
	let figures: () => Figures = () => ({ partitions: [], tables: [] });
	let current: Figures | undefined;
	/** The gauges of one scrape are of one moment. */
	function now(): Figures {
		if (current === undefined) {
			current = figures();
			queueMicrotask(() => {
				current = undefined;
			});
		}
		return current;
	}
	new Gauge({
		name: "tributary_lag_records",
		help: "Records of a partition that are in Kafka and in no commit.",
		labelNames: ["topic", "partition"],
		registers,
		collect() {
			this.reset();
			for (const { topic, partition, lagRecords } of now().partitions)
				this.set({ topic, partition: String(partition) }, lagRecords);
		},
	});
	for (const [figure, [name, help]] of Object.entries(TABLE_GAUGES))
		new Gauge({
			name,
			help,
			labelNames: ["table"],
			registers,
			collect() {
				this.reset();
				for (const table of now().tables) {
					const value = table[figure as TableGauge];
					if (value !== undefined)
						this.set({ table: table.table }, Number(value));
				}
			},
		});
	return {
		registry,
		follow(read) {
			figures = read;
		},
		messages: new Counter({
			name: "tributary_messages_total",
			help: "Kafka messages that were consumed.",
			labelNames: ["topic"],
			registers,
		}),
		rows: new Counter({
			name: "tributary_rows_committed_total",
			help: "Changes that were committed.",
			labelNames: ["table"],
			registers,
		}),
		bytes: new Counter({
			name: "tributary_bytes_written_total",
			help: "Bytes of data files that were committed.",
			labelNames: ["table"],
			registers,
		}),
		commits: new Counter({
			name: "tributary_commits_total",
			help: "Delta commits.",
			labelNames: ["table"],
			registers,
		}),
		commitSeconds: new Histogram({
			name: "tributary_commit_duration_seconds",
			help: "From the start of a flush to its commit, retries included.",
			labelNames: ["table"],
			buckets: seconds,
			registers,
		}),
		sourceToCommitSeconds: new Histogram({
			name: "tributary_source_to_commit_seconds",
			help: "From the oldest streamed change of a batch in the source to its commit.",
			labelNames: ["table"],
			buckets: seconds,
			registers,
		}),
		batchRows: new Histogram({
			name: "tributary_batch_rows",
			help: "Changes in a batch.",
			labelNames: ["table"],
			buckets: [1, 10, 100, 1000, 10_000, 50_000, 100_000, 1_000_000],
			registers,
		}),
		batchBytes: new Histogram({
			name: "tributary_batch_bytes",
			help: "Bytes of the data files of a batch.",
			labelNames: ["table"],
			buckets: [1e4, 1e5, 1e6, 1e7, 5e7, 1e8, 5e8],
			registers,
		}),
		retries: new Counter({
			name: "tributary_retries_total",
			help: "Reads and commits of a table that failed and were tried again, by error code.",
			labelNames: ["table", "code"],
			registers,
		}),
		deadLetters: new Counter({
			name: "tributary_dead_letters_total",
			help: "Records that could not become rows and were kept as dead letters.",
			labelNames: ["table", "code"],
			registers,
		}),
		deadLettersSuperseded: new Counter({
			name: "tributary_dead_letters_superseded_total",
			help: "Dead letters of mirrors that a newer change of their row made useless.",
			labelNames: ["table"],
			registers,
		}),
		repeatedChanges: new Counter({
			name: "tributary_repeated_changes_total",
			help: "Changes that Debezium sent again, and that are in the history once.",
			labelNames: ["table"],
			registers,
		}),
		schemaChanges: new Counter({
			name: "tributary_schema_changes_total",
			help: "Columns that were added, widened or dropped, by this writer or by others.",
			labelNames: ["table", "kind", "by"],
			registers,
		}),
		rebalances: new Counter({
			name: "tributary_rebalances_total",
			help: "Times that the consumer group gave out its partitions anew.",
			registers,
		}),
	};
}

/** What `/metrics` serves. */
export interface Exposition {
	readonly contentType: string;
	metrics(): Promise<string>;
}

/** Registries whose metrics have the same names, as one. */
export function oneExposition(registries: readonly Registry[]): Exposition {
	return {
		contentType:
			Registry.PROMETHEUS_CONTENT_TYPE satisfies PrometheusContentType,
		async metrics() {
			const all = await Promise.all(
				registries.map((registry) => registry.getMetricsAsJSON()),
			);
			return await AggregatorRegistry.aggregate(all).metrics();
		},
	};
}
