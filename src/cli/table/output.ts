import { once } from "node:events";

import type { JobResult } from "../../resource/job-result.ts";

const FULL = 65_536;

/** Text on its way to a stream, in pieces, and no faster than its reader takes them. */
export class Output {
	readonly #stream: NodeJS.WritableStream;
	#waiting = "";

	/** What the command has to tell of what it did. */
	#result: JobResult | undefined;

	constructor(stream: NodeJS.WritableStream) {
		this.#stream = stream;
	}

	write(text: string): void {
		this.#waiting += text;
	}

	/** Keeps what the operator is told where the command runs in a Job of its own. */
	tell(result: JobResult): void {
		this.#result = result;
	}

	get told(): JobResult | undefined {
		return this.#result;
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
