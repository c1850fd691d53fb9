import { setTimeout as sleep } from "node:timers/promises";

/** Time, as the writer has it; a simulation has its own. */
export interface Clock {
	/** Milliseconds since the epoch. */
	now(): number;
	/** Resolves after so many milliseconds, or as soon as the signal says so. */
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
	/** Runs something again and again until the returned function is called. */
	every(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
	now: Date.now,
	sleep: async (ms, signal) => {
		await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(
			(error: unknown) => {
				if (signal?.aborted !== true) throw error;
			},
		);
	},
	every: (ms, run) => {
		const timer = setInterval(run, ms);
		return () => clearInterval(timer);
	},
};
