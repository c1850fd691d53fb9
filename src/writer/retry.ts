import { messageOf, TributaryError } from "../errors.ts";
import type { Clock } from "./clock.ts";

export interface RetryOptions {
	readonly clock: Clock;
	readonly random: () => number;
	/** Ends the waiting; the trouble of the last try is thrown. */
	readonly signal: AbortSignal;
	/** Told of each failed try; the number of tries so far. */
	readonly onFailure: (error: unknown, attempt: number) => void;
}

const FIRST_MS = 200;
const LONGEST_MS = 30_000;

/**
 * Runs something until it works, with exponential backoff and jitter. What a person has to mend, such
 * as rights or a bucket, is tried again until it is mended; only what is not an expected error, a fault
 * of the program, ends it.
 */
export async function retrying<T>(
	run: () => Promise<T>,
	{ clock, random, signal, onFailure }: RetryOptions,
): Promise<T> {
	for (let attempt = 1; ; attempt++) {
		try {
			return await run();
		} catch (error) {
			onFailure(error, attempt);
			if (!(error instanceof TributaryError) || signal.aborted) throw error;
			await clock.sleep(
				Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(attempt, 8)) *
					(0.5 + random() / 2),
				signal,
			);
			if (signal.aborted)
				throw new TributaryError(
					"STOPPED",
					`stopped while it was tried again: ${messageOf(error)}`,
					{ cause: error, retryable: true },
				);
		}
	}
}
