import { ingestApi } from "../../ingest/api.ts";
import { runJson } from "../../ingest/json.ts";
import { IngestWorker } from "../../ingest/worker.ts";
import { type HealthServer, serveHealth } from "../../observe/http.ts";
import { createIngestMetrics } from "../../observe/ingest-metrics.ts";
import type { OpenedIngestion } from "./open.ts";

/** Loads what comes until SIGTERM or SIGINT, with health, metrics and the API on a port. */
export async function serveIngestion(
	{ context, ingestion, token }: OpenedIngestion,
	port: number,
): Promise<void> {
	const metrics = createIngestMetrics({ ingestion: ingestion.metadata.name });
	const worker = new IngestWorker(context, metrics);
	let server: HealthServer | undefined;
	const stop = (signal: string): void => {
		context.log.info({ signal }, "stopping after the files at work");
		worker.stop();
	};
	process.once("SIGTERM", stop);
	process.once("SIGINT", stop);
	try {
		server = await serveHealth({
			port,
			registry: metrics.registry,
			live: () => [],
			ready: () => worker.problems,
			status: async () => {
				const { lastRun, files, tableVersion, error } = await worker.report();
				return {
					ingestion: worker.id,
					files: files ?? null,
					tableVersion: tableVersion ?? null,
					lastRun: lastRun === undefined ? null : runJson(lastRun),
					error: error ?? null,
				};
			},
			other: ingestApi({ worker, db: context.db, token }),
		});
		context.log.info(
			{ port: server.port, ingestion: worker.id },
			"watching for files",
		);
		await worker.run();
	} finally {
		process.off("SIGTERM", stop);
		process.off("SIGINT", stop);
		await server?.close();
	}
}
