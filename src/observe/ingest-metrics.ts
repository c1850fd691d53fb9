import {
	Counter,
	collectDefaultMetrics,
	Gauge,
	Histogram,
	Registry,
} from "prom-client";

/** Every metric of a worker of file ingestion; names and labels stand here and nowhere else. */
export interface IngestMetrics {
	readonly registry: Registry;
	readonly filesLoaded: Counter;
	readonly filesFailed: Counter<"code">;
	readonly rows: Counter;
	readonly bytesRead: Counter;
	readonly bytesWritten: Counter;
	readonly commitSeconds: Histogram;
	readonly runs: Counter<"status">;
	/** What is asked at each scrape. */
	follow(figures: () => Promise<IngestFigures>): void;
}

/** What is unknown is absent, and has no sample. */
export interface IngestFigures {
	/** Files of the ingestion by status, in lower case. */
	readonly files?: Readonly<Record<string, number>> | undefined;
	readonly failing: boolean;
	/** Seconds since the epoch. */
	readonly lastLook?: number | undefined;
	readonly version?: number | undefined;
}

/** @param options.ingestion - name of the ingestion, a label of every sample */
export function createIngestMetrics(options: {
	readonly ingestion: string;
}): IngestMetrics {
	const registry = new Registry();
	registry.setDefaultLabels({ ingestion: options.ingestion });
	collectDefaultMetrics({ register: registry });
	const registers = [registry];
	let figures: () => Promise<IngestFigures> = async () => ({ failing: false });
	let current: Promise<IngestFigures> | undefined;
	/** The gauges of one scrape are of one moment. */
	function now(): Promise<IngestFigures> {
		current ??= figures().finally(() => {
			current = undefined;
		});
		return current;
	}
	new Gauge({
		name: "tributary_ingest_files",
		help: "Files of the ingestion by what became of them: discovered ones wait.",
		labelNames: ["status"],
		registers,
		async collect() {
			const { files } = await now();
			this.reset();
			for (const [status, count] of Object.entries(files ?? {}))
				this.set({ status }, count);
		},
	});
	for (const [figure, name, help] of [
		[
			"failing",
			"tributary_ingest_failing",
			"1 while the last look at the source ended with an error: nothing is loaded.",
		],
		[
			"lastLook",
			"tributary_ingest_last_look_timestamp_seconds",
			"Time of the last look at the source that came to its end.",
		],
		[
			"version",
			"tributary_ingest_table_version",
			"Newest version of the table that the worker knows.",
		],
	] as const)
		new Gauge({
			name,
			help,
			registers,
			async collect() {
				const value = (await now())[figure];
				this.reset();
				if (value !== undefined) this.set(Number(value));
				else this.remove();
			},
		});
	return {
		registry,
		follow(read) {
			figures = read;
		},
		filesLoaded: new Counter({
			name: "tributary_ingest_files_loaded_total",
			help: "Files whose rows this worker has committed.",
			registers,
		}),
		filesFailed: new Counter({
			name: "tributary_ingest_files_failed_total",
			help: "Times that a file could not be loaded, by error code.",
			labelNames: ["code"],
			registers,
		}),
		rows: new Counter({
			name: "tributary_ingest_rows_total",
			help: "Rows that this worker has committed.",
			registers,
		}),
		bytesRead: new Counter({
			name: "tributary_ingest_bytes_read_total",
			help: "Bytes of the files that this worker has loaded, as they are in the source.",
			registers,
		}),
		bytesWritten: new Counter({
			name: "tributary_ingest_bytes_written_total",
			help: "Bytes of data files that this worker has committed.",
			registers,
		}),
		commitSeconds: new Histogram({
			name: "tributary_ingest_commit_duration_seconds",
			help: "From taking files to their commit, reading them included.",
			buckets: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600],
			registers,
		}),
		runs: new Counter({
			name: "tributary_ingest_runs_total",
			help: "Looks at the source that came to an end, by status.",
			labelNames: ["status"],
			registers,
		}),
	};
}
