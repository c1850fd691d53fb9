/** Time and chance as the runtime sees them, so that tests can run hours in an instant. */
export interface Clock {
	/** Milliseconds that never go back, from any start. */
	monotonic(): number;
	wall(): Date;
	/** Calls once after that many milliseconds; the result cancels. */
	after(ms: number, call: () => void): () => void;
	/** Uniform in [0, 1). */
	random(): number;
}

export const systemClock: Clock = {
	monotonic: () => performance.now(),
	wall: () => new Date(),
	after(ms, call) {
		const timer = setTimeout(call, ms);
		return () => clearTimeout(timer);
	},
	random: Math.random,
};

/** Resolves after the time, or at once when the signal is aborted; never rejects. */
export function sleep(
	clock: Clock,
	ms: number,
	signal?: AbortSignal,
): Promise<void> {
	return new Promise((resolve) => {
		if (signal?.aborted) return resolve();
		const end = (): void => {
			cancel();
			signal?.removeEventListener("abort", end);
			resolve();
		};
		const cancel = clock.after(ms, end);
		signal?.addEventListener("abort", end, { once: true });
	});
}

/** A time between 1 and 1 + `spread` times the given one. */
export function jittered(clock: Clock, ms: number, spread = 0.2): number {
	return ms * (1 + clock.random() * spread);
}
