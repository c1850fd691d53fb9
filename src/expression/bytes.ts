import type { Vector } from "../columnar/vector.ts";

/** Text or binary values, one after another; each is written at once and then ended. */
export class BytesWriter {
	#data = new Uint8Array(1024);
	#size = 0;
	readonly #offsets: Int32Array;
	#rows = 0;

	constructor(length: number) {
		this.#offsets = new Int32Array(length + 1);
	}

	/** Adds bytes to the value under way. */
	add(data: Uint8Array, from = 0, to = data.length): void {
		const end = this.#size + to - from;
		if (end > this.#data.length) {
			const grown = new Uint8Array(Math.max(end, this.#data.length * 2));
			grown.set(this.#data.subarray(0, this.#size));
			this.#data = grown;
		}
		this.#data.set(data.subarray(from, to), this.#size);
		this.#size = end;
	}

	addText(text: string): void {
		this.add(Buffer.from(text));
	}

	/** Ends the value of the next row; one without bytes is empty, or null by the validity. */
	end(): void {
		this.#offsets[++this.#rows] = this.#size;
	}

	finish(validity: Uint8Array | undefined): Vector {
		return {
			kind: "bytes",
			length: this.#rows,
			validity,
			offsets: this.#offsets,
			data: this.#data.subarray(0, this.#size),
		};
	}
}
