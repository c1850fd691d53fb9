import { once } from "node:events";

const FULL = 65_536;

/** Text on its way to a stream, in pieces, and no faster than its reader takes them. */
export class Output {
	readonly #stream: NodeJS.WritableStream;
	#waiting = "";

	constructor(stream: NodeJS.WritableStream) {
		this.#stream = stream;
	}

	write(text: string): void {
		this.#waiting += text;
	}

	/** Whoever writes much flushes then. */
	get full(): boolean {
		return this.#waiting.length > FULL;
	}

	async flush(): Promise<void> {
		if (this.#waiting === "") return;
		const text = this.#waiting;
		this.#waiting = "";
		if (!this.#stream.write(text)) await once(this.#stream, "drain");
	}
}
