import type { Body } from "./store.ts";

/**
 * A streamed body whose own failures can be told from the store's: the caller of `put` gets them as
 * they were thrown.
 */
export class Source {
	readonly #body: Body;
	#failure: { readonly error: unknown } | undefined;

	constructor(body: Body) {
		this.#body = body;
	}

	async *chunks(): AsyncGenerator<Uint8Array> {
		if (this.#body instanceof Uint8Array) {
			yield this.#body;
			return;
		}
		try {
			for await (const chunk of this.#body) yield chunk;
		} catch (error) {
			this.#failure = { error };
			throw error;
		}
	}

	failedWith(error: unknown): boolean {
		return this.#failure !== undefined && this.#failure.error === error;
	}
}
