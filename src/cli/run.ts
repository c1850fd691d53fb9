import { parseArgs } from "node:util";
import { type ConnectAccess, connectClient } from "../connect/client.ts";
import { type Restarts, reconcileConnector } from "../connect/reconcile.ts";
import { ConfigError, messageOf } from "../errors.ts";
import { serveHealth } from "../observe/http.ts";
import { createLogger, type Logger } from "../observe/log.ts";
import { createWriterMetrics, oneExposition } from "../observe/metrics.ts";
import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import { connectAccess } from "../resource/secrets.ts";
import { type SecretReader, writerConfig } from "../writer/config.ts";
import { runWriter, type WriterHandle } from "../writer/writer.ts";
import { readPipelineFiles } from "./pipeline-file.ts";

export const RUN_USAGE = `Usage: tributary run -f FILE [-f FILE …]

Runs the pipelines of the files on this machine, without a cluster: makes their connectors in Kafka
Connect and writes their tables until Ctrl-C. Files hold CdcPipeline and Secret documents.

  -f, --file FILE     a YAML file; repeat for more
  --port N            port of health, metrics and status (8001)

The environment wins over the files:
  TRIBUTARY_SECRET_<NAME>_<KEY>   a value of a Secret
  KAFKA_BOOTSTRAP_SERVERS         brokers
  KAFKA_CONNECT_URL               Kafka Connect
  TRIBUTARY_SINK_LOCATION         tables go to this location, in a folder per pipeline
  LOG_LEVEL                       debug, info, warn, error
`;

const STEP_MS = 2000;

/** Runs until SIGTERM or SIGINT. @throws ConfigError */
export async function runCommand(
	argv: readonly string[],
	out: { write(text: string): void },
): Promise<void> {
	const { file: files = [], port, help } = flags(argv);
	if (help === true) {
		out.write(RUN_USAGE);
		return;
	}
	if (files.length === 0)
		throw new ConfigError("run needs a file: tributary run -f pipeline.yaml");
	if (port !== undefined && !/^\d{1,5}$/.test(port))
		throw new ConfigError(`--port ${port} is no port`);
	const { pipelines, secret } = readPipelineFiles(files, process.env);
	const log = createLogger({ level: process.env.LOG_LEVEL ?? "info" });
	const stopping = new AbortController();
	const stop = (): void => stopping.abort();
	process.once("SIGTERM", stop);
	process.once("SIGINT", stop);

	const runs = pipelines.map((pipeline, index) => ({
		pipeline,
		metrics: createWriterMetrics({
			pipeline: pipeline.metadata.name,
			process: index === 0,
		}),
		// Everything that a person wrote is checked before anything is touched.
		config: writerConfig(pipeline, secret),
		uri: connectionUri(pipeline, secret),
		access: accessOf(pipeline, secret),
		connector: { ready: false, message: "not looked at yet" },
		writer: undefined as WriterHandle | undefined,
	}));
	const server = await serveHealth({
		port: Number(port ?? 8001),
		registry: oneExposition(runs.map(({ metrics }) => metrics.registry)),
		live: () => [],
		ready: () =>
			runs.flatMap((run) => [
				...(run.connector.ready ? [] : [run.connector.message]),
				...(run.writer?.status.problems ?? []),
			]),
		status: () =>
			Object.fromEntries(
				runs.map((run) => [
					run.pipeline.metadata.name,
					{ connector: run.connector, ...run.writer?.status.report() },
				]),
			),
	});
	try {
		await Promise.all(
			runs.map(async (run) => {
				const { name } = run.pipeline.metadata;
				const child = log.child({ pipeline: name });
				const connector = followConnector(
					run.pipeline,
					run,
					stopping.signal,
					child,
					(state) => {
						run.connector = state;
					},
				);
				const writer = runWriter(run.config, {
					log: child,
					metrics: run.metrics,
				});
				run.writer = writer;
				if (stopping.signal.aborted) await writer.stop();
				stopping.signal.addEventListener("abort", () => {
					writer
						.stop()
						.catch((error: unknown) => child.error({ err: error }, "stop"));
				});
				try {
					await writer.finished;
				} catch (error) {
					// One pipeline that can't go on leaves the others running.
					child.error({ err: error }, "the writer has ended");
				}
				await connector;
			}),
		);
	} finally {
		await server.close();
	}
}

function connectionUri(pipeline: CdcPipeline, secret: SecretReader): string {
	const { name, key } = pipeline.spec.source.connectionSecretRef;
	const uri = secret(name, key);
	if (uri === undefined || uri === "")
		throw new ConfigError(
			`CdcPipeline ${pipeline.metadata.name}: spec.source.connectionSecretRef: no Secret ${name} with a key ${key}: add a Secret document to the file, or set the environment variable`,
		);
	return uri;
}

function accessOf({ spec }: CdcPipeline, secret: SecretReader): ConnectAccess {
	const { connectSecretRef: ref } = spec.kafka;
	return ref === undefined ? {} : connectAccess((key) => secret(ref.name, key));
}

/** Keeps the connector as the pipeline wants it, until the signal. */
async function followConnector(
	pipeline: CdcPipeline,
	{ uri, access }: { readonly uri: string; readonly access: ConnectAccess },
	signal: AbortSignal,
	log: Logger,
	report: (state: { ready: boolean; message: string }) => void,
): Promise<void> {
	const client = connectClient(pipeline.spec.kafka.connectUrl, {
		attempts: 2,
		...access,
	});
	let restarts: Restarts | undefined;
	let said = "";
	while (!signal.aborted) {
		const outcome = await reconcileConnector(
			client,
			pipeline,
			uri,
			restarts,
			Date.now(),
		);
		restarts = outcome.restarts;
		report({ ready: outcome.ready, message: outcome.message });
		if (outcome.message !== said) {
			said = outcome.message;
			if (outcome.ready || outcome.reason === "Starting") log.info({}, said);
			else log.warn({ reason: outcome.reason }, said);
		}
		await new Promise<void>((wake) => {
			const timer = setTimeout(wake, STEP_MS);
			signal.addEventListener(
				"abort",
				() => {
					clearTimeout(timer);
					wake();
				},
				{ once: true },
			);
		});
	}
}

function flags(argv: readonly string[]) {
	try {
		return parseArgs({
			args: [...argv],
			options: {
				file: { type: "string", short: "f", multiple: true },
				port: { type: "string" },
				help: { type: "boolean", short: "h" },
			},
		}).values;
	} catch (cause) {
		throw new ConfigError(`${messageOf(cause)}; see tributary run --help`, {
			cause,
		});
	}
}
