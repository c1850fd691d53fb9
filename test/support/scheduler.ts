/** What ends a simulated process between any two operations of its store. */
export class Crash extends Error {}

/** Lets one of the waiting operations go on at a time, chosen by the seed. */
export class Scheduler {
	readonly #waiting: (() => void)[] = [];
	readonly #random: () => number;

	constructor(random: () => number) {
		this.#random = random;
	}

	turn(): Promise<void> {
		return new Promise((go) => this.#waiting.push(go));
	}

	async run(all: Promise<unknown>): Promise<void> {
		let done = false;
		const end = (): void => {
			done = true;
		};
		all.then(end, end);
		while (!done) {
			const [next] = this.#waiting.splice(
				Math.floor(this.#random() * this.#waiting.length),
				1,
			);
			next?.();
			// Everything goes on to where it waits for its turn.
			await new Promise((wake) => setImmediate(wake));
		}
		await all;
	}
}
