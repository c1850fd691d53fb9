import type { Clock } from "./clock.ts";
import type { WorkQueue } from "./work-queue.ts";

export interface ReconcileResult {
	/** Look again after so many milliseconds, although nothing may have changed. */
	readonly againAfterMs?: number;
}

/** Brings one object nearer to what is wanted; knows only its key. */
export type Reconcile = (
	key: string,
	signal: AbortSignal,
) => Promise<ReconcileResult>;

export interface ReconcileReport {
	readonly key: string;
	readonly result: "success" | "requeue_after" | "error";
	readonly seconds: number;
	readonly error?: unknown;
	/** Milliseconds until the next try of a failed one. */
	readonly retryInMs?: number;
}

/**
 * Works the queue off with so many workers until the signal is aborted, and returns when the last
 * reconcile under way has ended. A failure costs its own key a growing delay, and no other key anything.
 */
export async function runController(options: {
	queue: WorkQueue;
	reconcile: Reconcile;
	clock: Clock;
	workers: number;
	signal: AbortSignal;
	report: (report: ReconcileReport) => void;
}): Promise<void> {
	const { queue, reconcile, clock, workers, signal, report } = options;
	const close = (): void => queue.close();
	if (signal.aborted) close();
	signal.addEventListener("abort", close, { once: true });

	async function work(): Promise<void> {
		for (;;) {
			const key = await queue.take();
			if (key === undefined) return;
			const started = clock.monotonic();
			const seconds = (): number => (clock.monotonic() - started) / 1000;
			try {
				const { againAfterMs } = await reconcile(key, signal);
				queue.forget(key);
				if (againAfterMs !== undefined) queue.addAfter(key, againAfterMs);
				report({
					key,
					result: againAfterMs === undefined ? "success" : "requeue_after",
					seconds: seconds(),
				});
			} catch (error) {
				const retryInMs = queue.retry(key);
				report({ key, result: "error", seconds: seconds(), error, retryInMs });
			} finally {
				queue.done(key);
			}
		}
	}

	await Promise.all(Array.from({ length: workers }, work));
	signal.removeEventListener("abort", close);
}
