import {
	Counter,
	collectDefaultMetrics,
	Gauge,
	Histogram,
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
	readonly batchRows: Histogram<"table">;
	readonly retries: Counter<"table">;
	readonly deadLetters: Counter<"code">;
	readonly schemaChanges: Counter<"table" | "kind">;
	readonly lagRecords: Gauge<"topic" | "partition">;
	readonly freshnessSeconds: Gauge<"table">;
}

export function createWriterMetrics(): WriterMetrics {
	const registry = new Registry();
	collectDefaultMetrics({ register: registry });
	const registers = [registry];
	return {
		registry,
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
			help: "From the start of a flush to its commit.",
			labelNames: ["table"],
			buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
			registers,
		}),
		batchRows: new Histogram({
			name: "tributary_batch_rows",
			help: "Changes in a batch.",
			labelNames: ["table"],
			buckets: [1, 10, 100, 1000, 10_000, 50_000, 100_000, 1_000_000],
			registers,
		}),
		retries: new Counter({
			name: "tributary_retries_total",
			help: "Flushes that failed and were tried again.",
			labelNames: ["table"],
			registers,
		}),
		deadLetters: new Counter({
			name: "tributary_dead_letters_total",
			help: "Records that could not become rows.",
			labelNames: ["code"],
			registers,
		}),
		schemaChanges: new Counter({
			name: "tributary_schema_changes_total",
			help: "Columns that were added or widened.",
			labelNames: ["table", "kind"],
			registers,
		}),
		lagRecords: new Gauge({
			name: "tributary_lag_records",
			help: "Records of a partition that are not committed yet.",
			labelNames: ["topic", "partition"],
			registers,
		}),
		freshnessSeconds: new Gauge({
			name: "tributary_freshness_seconds",
			help: "Age of the newest source change when it was committed.",
			labelNames: ["table"],
			registers,
		}),
	};
}
