import { existsSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { ConfigError, messageOf } from "../errors.ts";
import { type HealthServer, serveHealth } from "../observe/http.ts";
import { createLogger, type Logger } from "../observe/log.ts";
import { createWriterMetrics, type WriterMetrics } from "../observe/metrics.ts";
import {
	DEFAULT_PORT,
	type WriterConfig,
	writerConfig,
} from "../writer/config.ts";
import {
	ENVIRONMENT,
	indexFromEnvironment,
	sessionTimeoutFromEnvironment,
	writerConfigFromEnvironment,
} from "../writer/environment.ts";
import { runWriter } from "../writer/writer.ts";
import { readPipelineFiles } from "./pipeline-file.ts";

export const WRITER_USAGE = `Usage: tributary writer [--config FILE]

Consumes Kafka topics and writes Delta tables. FILE is a CdcPipeline; values of Secrets come from
environment variables TRIBUTARY_SECRET_<NAME>_<KEY>. Without a file, everything comes from the
environment:

${Object.entries(ENVIRONMENT)
	.map(([name, text]) => `  ${name.padEnd(34)} ${text}`)
	.join("\n")}
`;

/** Runs until SIGTERM or SIGINT. @throws ConfigError */
export async function writerCommand(
	argv: readonly string[],
	out: { write(text: string): void },
): Promise<void> {
	const { config: file, help } = flags(argv);
	if (help === true) {
		out.write(WRITER_USAGE);
		return;
	}
	const log = createLogger({
		level: process.env.LOG_LEVEL ?? "info",
		name: "writer",
	});
	try {
		const { config, name } = configOf(file);
		await serveWriter(config, createWriterMetrics({ pipeline: name }), log);
	} catch (error) {
		leaveReason(messageOf(error));
		throw error;
	}
}

function configOf(file: string | undefined): {
	config: WriterConfig;
	/** Of the pipeline, as metrics have it. */
	name: string;
} {
	if (file === undefined) {
		const config = writerConfigFromEnvironment(process.env);
		return { config, name: config.pipeline };
	}
	const { pipelines, secret } = readPipelineFiles([file], process.env);
	const [pipeline, more] = pipelines;
	if (pipeline === undefined || more !== undefined)
		throw new ConfigError(
			`${file} has ${pipelines.length} CdcPipelines: a writer takes one`,
		);
	const config = writerConfig(pipeline, secret, {
		port: Number(process.env.METRICS_PORT ?? DEFAULT_PORT),
		sessionTimeoutMs: sessionTimeoutFromEnvironment(process.env),
		index: indexFromEnvironment(process.env),
	});
	return { config, name: pipeline.metadata.name };
}

async function serveWriter(
	config: WriterConfig,
	metrics: WriterMetrics,
	log: Logger,
): Promise<void> {
	const handle = runWriter(config, { log, metrics });
	let server: HealthServer | undefined;
	if (config.port !== undefined)
		server = await serveHealth({
			port: config.port,
			registry: metrics.registry,
			live: () => [],
			ready: () => handle.status.problems,
			status: () => handle.status.report(),
		});
	const stop = (signal: string): void => {
		log.info({ signal }, "committing what was read, then stopping");
		handle.stop().catch((error: unknown) => log.error({ err: error }, "stop"));
	};
	process.once("SIGTERM", stop);
	process.once("SIGINT", stop);
	try {
		await handle.finished;
	} finally {
		await server?.close();
		// All is committed and said: a connection that Kafka's client lost sight of is not waited for.
		setTimeout(() => process.exit(), 500).unref();
	}
}

function flags(argv: readonly string[]) {
	try {
		return parseArgs({
			args: [...argv],
			options: {
				config: { type: "string" },
				help: { type: "boolean", short: "h" },
			},
		}).values;
	} catch (cause) {
		throw new ConfigError(`${messageOf(cause)}; see tributary writer --help`, {
			cause,
		});
	}
}

/** Where the kubelet looks for why a container ended. */
function leaveReason(message: string): void {
	const file = "/dev/termination-log";
	if (existsSync(file)) writeFileSync(file, message.slice(0, 4000));
}
