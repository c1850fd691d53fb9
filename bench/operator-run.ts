import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cpuSecondsOf, freePorts, memoryOf } from "../stack/components.ts";

const ROOT = resolve(import.meta.dirname, "..");

/** Seconds under which so many reconciles were, by bucket, as Prometheus counts them. */
export type Durations = ReadonlyMap<number, number>;

export interface OperatorRun {
	readonly pid: number;
	readonly logFile: string;
	/** All reconciles so far. */
	durations(): Promise<Durations>;
	/** The sum of a metric over the label sets that a pattern matches. */
	metric(pattern: RegExp): Promise<number>;
	cpuSeconds(): number;
	/** Bytes. */
	memory(): { now: number; peak: number };
	stop(): Promise<void>;
}

/** The operator as the image runs it: the built one, in a process of its own. */
export async function startOperator(options: {
	readonly kubeconfig: string;
	readonly dir: string;
	readonly profile?: boolean;
}): Promise<OperatorRun> {
	const [port = 0] = await freePorts(1);
	const logFile = join(options.dir, "operator.log");
	const log = openSync(logFile, "a");
	const child = spawn(
		join(ROOT, "node_modules/node/bin/node"),
		[
			...(options.profile === true
				? ["--cpu-prof", `--cpu-prof-dir=${ROOT}/.tributary`]
				: []),
			// What Node takes of a container of 256 MiB, the chart's limit.
			"--max-old-space-size=128",
			// As the chart says.
			"--max-semi-space-size=8",
			join(ROOT, "dist/cli/main.js"),
			"operator",
			"--image=tributary:bench",
			// On a machine that is too busy to renew it, a lost lease would end the measurement.
			"--no-leader-election",
			`--metrics-port=${port}`,
		],
		{
			env: {
				...process.env,
				NODE_ENV: "production",
				KUBECONFIG: options.kubeconfig,
				LOG_LEVEL: "warn",
			},
			stdio: ["ignore", log, log],
		},
	);
	const pid = child.pid ?? 0;
	const exited = once(child, "exit");
	// It must not outlive a measurement that was broken off.
	const end = (): void => void child.kill("SIGKILL");
	process.once("exit", end);
	for (const signal of ["SIGINT", "SIGTERM"] as const)
		process.once(signal, () => process.exit(1));

	async function scrape(): Promise<string> {
		if (child.exitCode !== null || child.signalCode !== null)
			throw new Error(
				`the operator ended: ${readFileSync(logFile, "utf8").slice(-2000)}`,
			);
		const response = await fetch(`http://127.0.0.1:${port}/metrics`).catch(
			() => undefined,
		);
		return (await response?.text()) ?? "";
	}
	return {
		pid,
		logFile,
		async durations() {
			return new Map(
				[
					...(await scrape()).matchAll(
						/^controller_runtime_reconcile_time_seconds_bucket\{le="([^"]+)",controller="cdcpipeline"\} (\d+)$/gm,
					),
				].map(([, le, count]) => [
					le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le),
					Number(count),
				]),
			);
		},
		async metric(pattern) {
			let sum = 0;
			for (const line of (await scrape()).split("\n"))
				if (pattern.test(line))
					sum += Number(line.slice(line.lastIndexOf(" ")));
			return sum;
		},
		cpuSeconds: () => cpuSecondsOf(pid),
		memory: () => memoryOf(pid),
		async stop() {
			child.kill("SIGTERM");
			await Promise.race([exited, sleep(30_000)]);
			child.kill("SIGKILL");
			process.off("exit", end);
		},
	};
}

/** What came between two looks. */
export function between(before: Durations, after: Durations): Durations {
	return new Map(
		[...after].map(([le, count]) => [le, count - (before.get(le) ?? 0)]),
	);
}

export function countOf(durations: Durations): number {
	return durations.get(Number.POSITIVE_INFINITY) ?? 0;
}

/** As Prometheus' `histogram_quantile`: linear inside of a bucket; NaN for nothing. */
export function quantile(durations: Durations, q: number): number {
	const rank = q * countOf(durations);
	let from = 0;
	let below = 0;
	for (const [le, count] of [...durations].sort(([a], [b]) => a - b)) {
		if (count >= rank && count > 0)
			return le === Number.POSITIVE_INFINITY
				? from
				: from + ((le - from) * (rank - below)) / Math.max(1, count - below);
		from = le;
		below = count;
	}
	return Number.NaN;
}
