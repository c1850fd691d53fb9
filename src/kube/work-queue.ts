import type { Clock } from "./clock.ts";

/**
 * Keys to work on. A key is in the queue once at most, and no two workers hold it at the same time; one
 * that is added while a worker holds it comes again after `done`. So no addition is ever lost.
 */
export class WorkQueue {
	readonly #clock: Clock;
	readonly #baseMs: number;
	readonly #maxMs: number;
	/** In the order of arrival: wanted, and held by no worker. */
	readonly #ready = new Set<string>();
	readonly #held = new Set<string>();
	/** Wanted again by the time its worker is done. */
	readonly #again = new Set<string>();
	readonly #waiting = new Map<string, { due: number; cancel: () => void }>();
	readonly #failures = new Map<string, number>();
	readonly #takers: ((key: string | undefined) => void)[] = [];
	#closed = false;

	constructor(
		clock: Clock,
		{ baseMs = 500, maxMs = 300_000 }: { baseMs?: number; maxMs?: number } = {},
	) {
		this.#clock = clock;
		this.#baseMs = baseMs;
		this.#maxMs = maxMs;
	}

	/** Keys that wait for a worker, without those that wait for their time. */
	get depth(): number {
		return this.#ready.size + this.#again.size;
	}

	add(key: string): void {
		if (this.#closed) return;
		this.#waiting.get(key)?.cancel();
		this.#waiting.delete(key);
		if (this.#held.has(key)) {
			this.#again.add(key);
			return;
		}
		this.#ready.add(key);
		this.#serve();
	}

	/** Adds a key after a time; an earlier wish for the same key stands. */
	addAfter(key: string, ms: number): void {
		if (this.#closed || this.#ready.has(key) || this.#again.has(key)) return;
		const due = this.#clock.monotonic() + ms;
		const waiting = this.#waiting.get(key);
		if (waiting !== undefined) {
			if (waiting.due <= due) return;
			waiting.cancel();
		}
		this.#waiting.set(key, {
			due,
			cancel: this.#clock.after(ms, () => this.add(key)),
		});
	}

	/** Adds a key after its own growing delay, which it returns in milliseconds. */
	retry(key: string): number {
		const failures = this.#failures.get(key) ?? 0;
		this.#failures.set(key, failures + 1);
		const ms = Math.min(
			this.#maxMs,
			this.#baseMs * 2 ** Math.min(failures, 30),
		);
		this.addAfter(key, ms);
		return ms;
	}

	/** Ends a key's row of failures. */
	forget(key: string): void {
		this.#failures.delete(key);
	}

	/** The next key, for the caller alone until `done`; `undefined` once the queue is closed. */
	take(): Promise<string | undefined> {
		if (this.#closed) return Promise.resolve(undefined);
		return new Promise((resolve) => {
			this.#takers.push(resolve);
			this.#serve();
		});
	}

	done(key: string): void {
		this.#held.delete(key);
		if (this.#again.delete(key)) this.add(key);
	}

	close(): void {
		this.#closed = true;
		for (const { cancel } of this.#waiting.values()) cancel();
		this.#waiting.clear();
		for (const taker of this.#takers.splice(0)) taker(undefined);
	}

	#serve(): void {
		while (this.#takers.length > 0) {
			const [key] = this.#ready;
			if (key === undefined) return;
			this.#ready.delete(key);
			this.#held.add(key);
			this.#takers.shift()?.(key);
		}
	}
}
