import { type Clock, sleep } from "./clock.ts";

/** Milliseconds. */
export interface CanaryTimes {
	readonly intervalMs: number;
	/** Longer than it takes a watch to find out that it is dead, and to be replaced. */
	readonly limitMs: number;
}

export const CANARY_TIMES: CanaryTimes = {
	intervalMs: 30_000,
	limitMs: 300_000,
};

/**
 * Watches over a process by an object that the process itself changes, and has to notice the change of:
 * what a watch or a worker no longer does for the canary it does for no other object either. A beat that
 * could not be written says nothing, so an API server that is away is no reason for a restart.
 */
export class Canary {
	readonly #clock: Clock;
	readonly #write: (beat: number, signal: AbortSignal) => Promise<void>;
	readonly #followers: readonly string[];
	readonly #times: CanaryTimes;
	readonly #onError: (error: unknown) => void;
	/** By follower, the oldest beat that was written and not noticed. */
	readonly #unnoticed = new Map<string, { beat: number; since: number }>();
	readonly #noticed = new Map<string, number>();
	#beat = 0;

	constructor(options: {
		clock: Clock;
		write: (beat: number, signal: AbortSignal) => Promise<void>;
		/** Each must notice every beat, or a later one. */
		followers: readonly string[];
		times?: CanaryTimes;
		onError: (error: unknown) => void;
	}) {
		this.#clock = options.clock;
		this.#write = options.write;
		this.#followers = options.followers;
		this.#times = options.times ?? CANARY_TIMES;
		this.#onError = options.onError;
	}

	/** Beats until the signal is aborted; after that nobody is waited for. */
	async run(signal: AbortSignal): Promise<void> {
		while (!signal.aborted) {
			const beat = ++this.#beat;
			try {
				await this.#write(beat, signal);
				// Counted from the answer: what is noticed before it is no less noticed.
				const since = this.#clock.monotonic();
				for (const follower of this.#followers)
					if (
						!this.#unnoticed.has(follower) &&
						(this.#noticed.get(follower) ?? 0) < beat
					)
						this.#unnoticed.set(follower, { beat, since });
			} catch (error) {
				if (!signal.aborted) this.#onError(error);
			}
			await sleep(this.#clock, this.#times.intervalMs, signal);
		}
		this.#unnoticed.clear();
	}

	/** Told by a follower of the beat that it has before it. */
	notice(follower: string, beat: number): void {
		this.#noticed.set(follower, beat);
		if (beat >= (this.#unnoticed.get(follower)?.beat ?? Infinity))
			this.#unnoticed.delete(follower);
	}

	/** Milliseconds for which each follower has not noticed a beat; 0 for one that has noticed all. */
	ages(): ReadonlyMap<string, number> {
		const now = this.#clock.monotonic();
		return new Map(
			this.#followers.map((follower) => {
				const unnoticed = this.#unnoticed.get(follower);
				return [follower, unnoticed === undefined ? 0 : now - unnoticed.since];
			}),
		);
	}

	/** Followers that have overslept. */
	late(): string[] {
		return [...this.ages()]
			.filter(([, ms]) => ms > this.#times.limitMs)
			.map(([follower]) => follower);
	}
}
