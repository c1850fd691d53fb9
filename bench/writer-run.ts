import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
	cpuSecondsOf,
	freePorts,
	memoryOf,
	type Stack,
} from "../stack/components.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** A writer as users run it, in a process of its own. */
export interface WriterRun {
	/** The sum of a metric over its labels; 0 while it has none. */
	metric(name: string): Promise<number>;
	/** User and system time so far. */
	cpuSeconds(): number;
	peakRss(): number;
	stop(): Promise<void>;
}

/** The pipeline `name` over topics `<prefix>.shop.*`, whose tables go to `s3://lake/<name>`. */
export async function startWriter(options: {
	readonly name: string;
	readonly prefix: string;
	readonly source: "mongodb" | "postgresql";
	readonly dir: string;
	readonly stack: Stack<"kafka" | "s3">;
	readonly sink: Readonly<Record<string, unknown>>;
	readonly batch: Readonly<Record<string, unknown>>;
	readonly profile?: boolean;
}): Promise<WriterRun> {
	const { name, dir, stack } = options;
	const file = join(dir, `${name}.json`);
	writeFileSync(
		file,
		JSON.stringify({
			apiVersion: "tributary.dev/v1alpha1",
			kind: "CdcPipeline",
			metadata: { name },
			spec: {
				source: {
					type: options.source,
					connectionSecretRef: { name: "none", key: "uri" },
					include: ["shop.*"],
				},
				kafka: {
					bootstrapServers: [stack.kafka.bootstrap],
					connectUrl: "http://127.0.0.1:1",
					topicPrefix: options.prefix,
				},
				sink: {
					location: `s3://lake/${name}`,
					storageSecretRef: { name: "lake" },
					...options.sink,
				},
				writer: { batch: options.batch },
			},
		}),
	);
	const [port = 0] = await freePorts(1);
	const logFile = join(dir, `${name}.log`);
	const log = openSync(logFile, "a");
	const child = spawn(
		join(ROOT, "node_modules/node/bin/node"),
		[
			...(options.profile === true
				? ["--cpu-prof", `--cpu-prof-dir=${ROOT}/.tributary`]
				: []),
			join(ROOT, "src/cli/main.ts"),
			"writer",
			"--config",
			file,
		],
		{
			env: {
				...process.env,
				// As in the image.
				MALLOC_ARENA_MAX: "2",
				METRICS_PORT: String(port),
				TRIBUTARY_SECRET_LAKE_AWS_ACCESS_KEY_ID: stack.s3.accessKeyId,
				TRIBUTARY_SECRET_LAKE_AWS_SECRET_ACCESS_KEY: stack.s3.secretAccessKey,
				TRIBUTARY_SECRET_LAKE_AWS_ENDPOINT_URL: stack.s3.endpoint,
			},
			stdio: ["ignore", log, log],
		},
	);
	const pid = child.pid ?? 0;
	const exited = once(child, "exit");
	return {
		metric: async (metric) => {
			if (child.exitCode !== null)
				throw new Error(
					`the writer ended: ${readFileSync(logFile, "utf8").slice(-2000)}`,
				);
			const text = await fetch(`http://127.0.0.1:${port}/metrics`)
				.then((response) => response.text())
				.catch(() => "");
			let sum = 0;
			for (const line of text.split("\n"))
				if (line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
					sum += Number(line.slice(line.lastIndexOf(" ")));
			return sum;
		},
		cpuSeconds: () => cpuSecondsOf(pid),
		peakRss: () => memoryOf(pid).peak,
		stop: async () => {
			child.kill("SIGTERM");
			await Promise.race([exited, sleep(30_000)]);
			child.kill("SIGKILL");
		},
	};
}
