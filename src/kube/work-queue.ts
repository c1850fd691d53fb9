import type { Clock } from "./clock.ts";

/** Told of what happens in a queue, for metrics. */
export interface WorkQueueObserver {
	/** A key came into the queue that was not in it. */
	added(): void;
	/** A key is to come again after a failure. */
	retried(): void;
	/** A worker took a key that had waited for so long. */
	taken(waitedMs: number): void;
	/** A worker is through with a key after so long. */
	done(workedMs: number): void;
}

/**
 * Keys to work on. A key is in the queue once at most, and no two workers hold it at the same time; one
 * that is added while a worker holds it comes again after `done`. So no addition is ever lost.
 */
export class WorkQueue {
	readonly #clock: Clock;
	readonly #baseMs: number;
	readonly #maxMs: number;
	readonly #observer: WorkQueueObserver | undefined;
	/** In the order of arrival: wanted, and held by no worker. With the time of arrival. */
	readonly #ready = new Map<string, number>();
	/** With the time since which a worker holds it. */
	readonly #held = new Map<string, number>();
	/** Wanted again by the time its worker is done. */
	readonly #again = new Set<string>();
	readonly #waiting = new Map<string, { due: number; cancel: () => void }>();
	readonly #failures = new Map<string, number>();
	readonly #takers: ((key: string | undefined) => void)[] = [];
	#closed = false;

	constructor(
		clock: Clock,
		{
			baseMs = 500,
			maxMs = 300_000,
			observer,
		}: {
			baseMs?: number;
			maxMs?: number;
			observer?: WorkQueueObserver;
		} = {},
	) {
		this.#observer = observer;
		this.#clock = clock;
		this.#baseMs = baseMs;
		this.#maxMs = maxMs;
	}

	/** Keys that wait for a worker, without those that wait for their time. */
	get depth(): number {
		return this.#ready.size + this.#again.size;
	}

	/** How long each worker has held its key, milliseconds. */
	workingMs(): number[] {
		const now = this.#clock.monotonic();
		return [...this.#held.values()].map((since) => now - since);
	}

	add(key: string): void {
		if (this.#closed) return;
		this.#waiting.get(key)?.cancel();
		this.#waiting.delete(key);
		if (this.#ready.has(key) || this.#again.has(key)) return;
		this.#observer?.added();
		if (this.#held.has(key)) {
			this.#again.add(key);
			return;
		}
		this.#ready.set(key, this.#clock.monotonic());
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
		this.#observer?.retried();
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
		const now = this.#clock.monotonic();
		const since = this.#held.get(key);
		if (this.#held.delete(key) && since !== undefined)
			this.#observer?.done(now - since);
		if (!this.#again.delete(key) || this.#closed) return;
		this.#ready.set(key, now);
		this.#serve();
	}

	close(): void {
		this.#closed = true;
		for (const { cancel } of this.#waiting.values()) cancel();
		this.#waiting.clear();
		for (const taker of this.#takers.splice(0)) taker(undefined);
	}

	#serve(): void {
		while (this.#takers.length > 0) {
			const [first] = this.#ready;
			if (first === undefined) return;
			const [key, since] = first;
			const now = this.#clock.monotonic();
			this.#ready.delete(key);
			this.#held.set(key, now);
			this.#observer?.taken(now - since);
			this.#takers.shift()?.(key);
		}
	}
}
