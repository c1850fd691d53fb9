import type { Clock } from "../../../src/kube/clock.ts";

/** Deterministic numbers in [0, 1) from a seed (mulberry32). */
export function seeded(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

/** Time that runs only when told to, timer by timer. */
export class VirtualClock implements Clock {
	readonly random: () => number;
	#now = 0;
	#timers = new Map<symbol, { due: number; call: () => void }>();

	constructor(random: () => number = () => 0.5) {
		this.random = random;
	}

	monotonic(): number {
		return this.#now;
	}

	wall(): Date {
		return new Date(Date.UTC(2026, 0, 1) + this.#now);
	}

	after(ms: number, call: () => void): () => void {
		const id = Symbol();
		this.#timers.set(id, { due: this.#now + Math.max(0, ms), call });
		return () => {
			this.#timers.delete(id);
		};
	}

	/** Runs everything that is due in the next so many milliseconds. */
	async advance(ms: number): Promise<void> {
		const end = this.#now + ms;
		await settled();
		for (;;) {
			let first: [symbol, { due: number; call: () => void }] | undefined;
			for (const entry of this.#timers)
				if (first === undefined || entry[1].due < first[1].due) first = entry;
			if (first === undefined || first[1].due > end) break;
			this.#timers.delete(first[0]);
			this.#now = Math.max(this.#now, first[1].due);
			first[1].call();
			await settled();
		}
		this.#now = end;
	}
}

/** Lets every promise that can go on go on. */
export function settled(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}
