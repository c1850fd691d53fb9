import { z } from "zod";
import { messageOf } from "../../errors.ts";

const count = z.number().int().min(0);
const time = z.string().max(64).nullish();

/** What a worker answers on `GET /status`; more fields may come with newer workers. */
const report = z.object({
	files: z
		.object({
			DISCOVERED: count,
			PROCESSING: count,
			SUCCESS: count,
			FAILED: count,
			SKIPPED: count,
		})
		.nullish(),
	tableVersion: count.nullish(),
	lastRun: z
		.object({
			id: z.string().max(64),
			trigger: z.string().max(16),
			status: z.string().max(16),
			started: time,
			finished: time,
			filesLoaded: count,
			filesFailed: count,
			records: count,
			errorMessage: z.string().nullish(),
		})
		.nullish(),
	/** Why the worker loads nothing, if it knows. */
	error: z.string().nullish(),
});

export type WorkerReport = z.infer<typeof report>;

/** Asks one worker pod. */
export type AskWorker = (podIP: string) => Promise<WorkerReport>;

/** One worker's report over HTTP. @throws Error where it does not answer properly in two seconds. */
export function httpWorkerReport(port: number): AskWorker {
	return async (podIP) => {
		const host = podIP.includes(":") ? `[${podIP}]` : podIP;
		const response = await fetch(`http://${host}:${port}/status`, {
			signal: AbortSignal.timeout(2_000),
			redirect: "error",
		});
		if (!response.ok) throw new Error(`GET /status: ${response.status}`);
		return report.parse(await response.json());
	};
}

export interface WorkerFigures {
	/** Workers share one state: the first that answers speaks for all. */
	readonly files: NonNullable<WorkerReport["files"]> | undefined;
	readonly lastRun: NonNullable<WorkerReport["lastRun"]> | undefined;
	readonly tableVersion: number | undefined;
	readonly errors: readonly string[];
	/** Pods that did not answer. */
	readonly silent: readonly string[];
}

export async function workerFigures(
	pods: readonly { readonly name: string; readonly podIP: string }[],
	ask: AskWorker,
): Promise<WorkerFigures> {
	const reports: WorkerReport[] = [];
	const silent: string[] = [];
	await Promise.all(
		pods.map(async ({ name, podIP }) => {
			try {
				reports.push(await ask(podIP));
			} catch (error) {
				silent.push(`${name}: ${messageOf(error)}`);
			}
		}),
	);
	const versions = reports.flatMap(({ tableVersion }) => tableVersion ?? []);
	return {
		files: reports.find(({ files }) => files)?.files ?? undefined,
		lastRun: reports.find(({ lastRun }) => lastRun)?.lastRun ?? undefined,
		tableVersion: versions.length === 0 ? undefined : Math.max(...versions),
		errors: reports.flatMap(({ error }) => error ?? []),
		silent: silent.sort(),
	};
}
