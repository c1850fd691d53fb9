import { ingestApi } from "../../ingest/api.ts";
import { runJson } from "../../ingest/json.ts";
import { IngestWorker } from "../../ingest/worker.ts";
import { type HealthServer, serveHealth } from "../../observe/http.ts";
import { createIngestMetrics } from "../../observe/ingest-metrics.ts";
import type { Logger } from "../../observe/log.ts";
import type { OpenedIngestion } from "./open.ts";

/**
 * Loads what comes until SIGTERM or SIGINT, with health, metrics and the API on a port. Health is served
 * before the state is open: making it takes seconds of CPU, which a probe must not take for a dead process.
 */
export async function serveIngestion(options: {
	readonly name: string;
	readonly port: number;
	readonly log: Logger;
	readonly open: () => Promise<OpenedIngestion>;
}): Promise<void> {
	const { log } = options;
	const metrics = createIngestMetrics({ ingestion: options.name });
	let worker: IngestWorker | undefined;
	let api: ReturnType<typeof ingestApi> | undefined;
	let stopped = false;
	const stop = (signal: string): void => {
		log.info({ signal }, "stopping after the files at work");
		stopped = true;
		worker?.stop();
	};
	process.once("SIGTERM", stop);
	process.once("SIGINT", stop);
	let server: HealthServer | undefined;
	let opened: OpenedIngestion | undefined;
	try {
		server = await serveHealth({
			port: options.port,
			registry: metrics.registry,
			live: () => [],
			ready: () => worker?.problems ?? ["the state is being opened"],
			status: async () => {
				if (worker === undefined) return { ingestion: options.name };
				const { lastRun, files, tableVersion, error } = await worker.report();
				return {
					ingestion: worker.id,
					files: files ?? null,
					tableVersion: tableVersion ?? null,
					lastRun: lastRun === undefined ? null : runJson(lastRun),
					error: error ?? null,
				};
			},
			other: (request, response) => api?.(request, response) ?? false,
		});
		opened = await options.open();
		const { context, token } = opened;
		worker = new IngestWorker(context, metrics);
		api = ingestApi({ worker, db: context.db, token });
		if (stopped) return;
		log.info({ port: server.port, ingestion: worker.id }, "watching for files");
		await worker.run();
	} finally {
		process.off("SIGTERM", stop);
		process.off("SIGINT", stop);
		await server?.close();
		await opened?.close();
	}
}
