import type { Clock } from "../../../../src/kube/clock.ts";
import { settled, type VirtualClock } from "../virtual-clock.ts";

/**
 * The clock of one process on a machine of its own: it runs a little fast or slow, its wall clock is
 * off, and the process can be held up. While it is, nothing of it runs: timers that come due and answers
 * that arrive wait for the end. A process that is stopped finds that time went on; a machine that is
 * suspended finds that only the wall clock did.
 */
export class ProcessClock implements Clock {
	readonly random: () => number;
	readonly #world: VirtualClock;
	readonly #rate: number;
	#wallOffset: number;
	#held: (() => void)[] | undefined;
	#suspendedMs = 0;
	#suspendedAt: number | undefined;

	constructor(
		world: VirtualClock,
		{ rate = 1, wallOffset = 0 }: { rate?: number; wallOffset?: number } = {},
	) {
		this.#world = world;
		this.#rate = rate;
		this.#wallOffset = wallOffset;
		this.random = world.random;
	}

	get paused(): boolean {
		return this.#held !== undefined;
	}

	monotonic(): number {
		const now = this.#suspendedAt ?? this.#world.monotonic();
		return (now - this.#suspendedMs) * this.#rate;
	}

	wall(): Date {
		return new Date(this.#world.wall().getTime() + this.#wallOffset);
	}

	after(ms: number, call: () => void): () => void {
		const due = this.monotonic() + Math.max(0, ms);
		let cancelled = false;
		const fire = (): void => {
			if (cancelled) return;
			if (this.#held !== undefined) {
				this.#held.push(fire);
				return;
			}
			// A suspended machine's timers come later by the time that it was away.
			const left = due - this.monotonic();
			if (left > 1e-6) this.#world.after(left / this.#rate, fire);
			else call();
		};
		this.#world.after(Math.max(0, ms) / this.#rate, fire);
		return () => {
			cancelled = true;
		};
	}

	/** Brings something from outside, such as an answer; a paused process sees it when it goes on. */
	deliver(call: () => void): void {
		if (this.#held === undefined) call();
		else this.#held.push(call);
	}

	pause(kind: "stopped" | "suspended"): void {
		if (this.#held !== undefined) return;
		this.#held = [];
		if (kind === "suspended") this.#suspendedAt = this.#world.monotonic();
	}

	/** Lets the process go on; what waited runs one by one. */
	async resume(): Promise<void> {
		const held = this.#held;
		if (held === undefined) return;
		if (this.#suspendedAt !== undefined)
			this.#suspendedMs += this.#world.monotonic() - this.#suspendedAt;
		this.#suspendedAt = undefined;
		this.#held = undefined;
		for (const call of held) {
			call();
			await settled();
		}
	}

	/** Sets the wall clock forward or back. */
	stepWall(ms: number): void {
		this.#wallOffset += ms;
	}
}
