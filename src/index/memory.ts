/** What gives memory back when it is asked to. */
export interface Reclaimable {
	/** Frees all it can at once. */
	reclaim(): void;
}

/** The memory that the indexes of a process may use together, bytes. */
export class IndexMemory {
	readonly limit: number;
	#used = 0;
	/** Caches, least recently used first. */
	readonly #caches = new Set<Reclaimable>();

	constructor(limit: number) {
		this.limit = limit;
	}

	get used(): number {
		return this.#used;
	}

	/** Whether there is room for `bytes` more, which counts as used then; caches not in use make room. */
	reserve(bytes: number, by: Reclaimable): boolean {
		this.touch(by);
		for (const cache of this.#caches) {
			if (this.#used + bytes <= this.limit) break;
			if (cache !== by) cache.reclaim();
		}
		if (this.#used + bytes > this.limit) return false;
		this.#used += bytes;
		return true;
	}

	/** Takes memory that there is no way around, or gives it back. */
	add(bytes: number): void {
		this.#used += bytes;
	}

	touch(cache: Reclaimable): void {
		this.#caches.delete(cache);
		this.#caches.add(cache);
	}

	forget(cache: Reclaimable): void {
		this.#caches.delete(cache);
	}
}
