import { capacityFor, grown, INITIAL } from "./growth.ts";

/**
 * Which slots hold a value. A class of its own instead of a base class, so that `mark`, which runs for
 * every value, sees one shape of object only.
 */
export class Presence {
	/** Slots so far; those after the last set one are not counted. */
	length = 0;
	/** Slots with a value. */
	count = 0;
	/** By slot; only up to date while there are slots without a value. */
	#bytes = new Uint8Array(0);

	/** Marks slot `i`, and forgets what was set from `i` on. */
	mark(i: number): void {
		if (i === this.length && i === this.count) {
			this.length = i + 1;
			this.count = i + 1;
		} else this.#markSparse(i);
	}

	has(i: number): boolean {
		return (
			i < this.length && (this.count === this.length || this.#bytes[i] === 1)
		);
	}

	truncate(length: number): void {
		if (length >= this.length) return;
		if (this.count === this.length) this.count = length;
		else
			for (let i = length; i < this.length; i++) {
				this.count -= this.#bytes[i] ?? 0;
				this.#bytes[i] = 0;
			}
		this.length = length;
	}

	/** Validity of the first `length` slots, `undefined` when all are set; starts anew. */
	take(length: number): Uint8Array | undefined {
		let validity: Uint8Array | undefined;
		if (this.count !== length) {
			if (this.count === this.length) this.#fill();
			this.#room(length);
			validity = this.#bytes.subarray(0, length);
		}
		this.#bytes = new Uint8Array(0);
		this.length = 0;
		this.count = 0;
		return validity;
	}

	#markSparse(i: number): void {
		this.truncate(i);
		if (this.count === this.length) this.#fill();
		this.#room(i + 1);
		this.#bytes[i] = 1;
		this.count++;
		this.length = i + 1;
	}

	/** Brings the bytes up to date: so far every slot has a value. */
	#fill(): void {
		this.#room(this.length);
		this.#bytes.fill(1, 0, this.length);
		this.#bytes.fill(0, this.length);
	}

	#room(wanted: number): void {
		if (wanted <= this.#bytes.length) return;
		const capacity = capacityFor(wanted - 1, this.#bytes.length, INITIAL);
		this.#bytes = grown(Uint8Array, this.#bytes, capacity);
	}
}
