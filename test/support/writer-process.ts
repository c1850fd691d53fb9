import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import type { Lake } from "../../demo/lake.ts";
import type { SourceType } from "../../src/resource/cdc-pipeline.ts";
import type { WriterReport } from "../../src/writer/status.ts";
import { freePorts, type Stack } from "../../stack/components.ts";

const TRIBUTARY = resolve(import.meta.dirname, "../../bin/tributary");

export interface PipelineOptions {
	readonly name: string;
	readonly dir: string;
	readonly stack: Stack<"kafka" | "s3">;
	readonly sink: Readonly<Record<string, unknown>>;
	readonly batch: Readonly<Record<string, unknown>>;
	readonly kafka?: Readonly<Record<string, unknown>>;
	/** MongoDB unless given. */
	readonly source?: SourceType;
	/** Collections of the source; `shop.orders` unless given. */
	readonly include?: readonly string[];
	/** Where the writers meet the store, when that is not its own address. */
	readonly endpoint?: string;
	/** More environment of the writers. */
	readonly env?: Readonly<Record<string, string>>;
}

export interface WriterProcess {
	readonly child: ChildProcess;
	/** Its exit status, `null` when a signal ended it. */
	readonly exited: Promise<number | null>;
	status(): Promise<WriterReport>;
	/** The figures of `/metrics`, as text. */
	metrics(): Promise<string>;
	/** Ends it and gives its exit status. */
	end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null>;
}

/** A pipeline over topics `<name>.shop.*`, whose tables go to `s3://lake/<name>`. */
export class WriterUnderTest {
	readonly lake: Lake;
	readonly logFile: string;
	/** The pipeline's YAML. */
	readonly file: string;
	readonly #bootstrap: string;
	readonly #env: Readonly<Record<string, string>>;
	readonly #running = new Set<WriterProcess>();

	constructor(options: PipelineOptions) {
		const { name, dir, stack, sink, batch } = options;
		const { kafka, s3 } = stack;
		this.#bootstrap = kafka.bootstrap;
		this.#env = {
			TRIBUTARY_SECRET_LAKE_AWS_ENDPOINT_URL: options.endpoint ?? s3.endpoint,
			...options.env,
		};
		this.file = join(dir, `${name}.yaml`);
		this.logFile = join(dir, `${name}.log`);
		this.lake = {
			location: `s3://lake/${name}`,
			credentials: {
				accessKeyId: s3.accessKeyId,
				secretAccessKey: s3.secretAccessKey,
				region: s3.region,
				endpoint: s3.endpoint,
			},
		};
		const pipeline = {
			apiVersion: "tributary.dev/v1alpha1",
			kind: "CdcPipeline",
			metadata: { name, namespace: "default" },
			spec: {
				source: {
					type: options.source ?? "mongodb",
					connectionSecretRef: { name: "source", key: "uri" },
					include: options.include ?? ["shop.orders"],
				},
				kafka: {
					bootstrapServers: [kafka.bootstrap],
					connectUrl: "http://127.0.0.1:1",
					topicPrefix: name,
					...options.kafka,
				},
				sink: {
					location: this.lake.location,
					storageSecretRef: { name: "lake" },
					...sink,
				},
				writer: { batch },
			},
		};
		writeFileSync(this.file, stringify(pipeline));
	}

	async start(
		env: Readonly<Record<string, string>> = {},
		logFile = this.logFile,
	): Promise<WriterProcess> {
		const [port = 0] = await freePorts(1);
		const { credentials } = this.lake;
		const log = openSync(logFile, "a");
		// The kernel ends the writer when the test's process dies, however it dies.
		const argv = ["--pdeathsig=KILL", "--", TRIBUTARY, "writer", "--config"];
		const child = spawn("setpriv", [...argv, this.file], {
			env: {
				...process.env,
				KAFKA_BOOTSTRAP_SERVERS: this.#bootstrap,
				METRICS_PORT: String(port),
				TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS: "1000",
				TRIBUTARY_SECRET_LAKE_AWS_ACCESS_KEY_ID: credentials.accessKeyId,
				TRIBUTARY_SECRET_LAKE_AWS_SECRET_ACCESS_KEY:
					credentials.secretAccessKey,
				TRIBUTARY_SECRET_LAKE_AWS_REGION: credentials.region,
				...this.#env,
				...env,
			},
			stdio: ["ignore", log, log],
		});
		const exited = once(child, "exit").then(([code]) => code as number | null);
		const running: WriterProcess = {
			child,
			exited,
			status: async () => {
				const answer = await fetch(`http://127.0.0.1:${port}/status`);
				return (await answer.json()) as WriterReport;
			},
			metrics: async () =>
				await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
			end: async (signal) => {
				child.kill(signal);
				const code = await exited;
				this.#running.delete(running);
				return code;
			},
		};
		this.#running.add(running);
		return running;
	}

	/** Those that were not ended through `end`. */
	get running(): readonly WriterProcess[] {
		return [...this.#running];
	}

	/** For a test's clean-up. */
	async killAll(): Promise<void> {
		for (const running of [...this.#running]) await running.end("SIGKILL");
	}

	logTail(logFile = this.logFile): string {
		return readFileSync(logFile, "utf8").slice(-3000);
	}
}
