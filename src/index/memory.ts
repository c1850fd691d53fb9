/** What gives memory back when it is asked to. */
export interface Reclaimable {
	/** Frees all it can at once. */
	reclaim(): void;
}

/** What changes may take before they are merged; the rest is for pages of the bases. */
const CHANGES_SHARE = 1 / 4;

/** The memory that the indexes of a process may use together, bytes. */
export class IndexMemory {
	readonly limit: number;
	#changes = 0;
	#pages = 0;
	/** Caches, least recently used first. */
	readonly #caches = new Set<Reclaimable>();

	constructor(limit: number) {
		this.limit = limit;
	}

	get used(): number {
		return this.#changes + this.#pages;
	}

	/** What changes take above their share. */
	changesAbove(more: number): number {
		return this.#changes + more - this.limit * CHANGES_SHARE;
	}

	/** Whether there is room for `bytes` of pages, which count then; caches not in use make room. */
	reserve(bytes: number, by: Reclaimable): boolean {
		this.touch(by);
		const limit = this.limit * (1 - CHANGES_SHARE);
		for (const cache of this.#caches) {
			if (this.#pages + bytes <= limit) break;
			if (cache !== by) cache.reclaim();
		}
		if (this.#pages + bytes > limit) return false;
		this.#pages += bytes;
		return true;
	}

	/** Takes memory for pages that there is no way around, or gives it back. */
	addPages(bytes: number): void {
		this.#pages += bytes;
	}

	addChanges(bytes: number): void {
		this.#changes += bytes;
	}

	touch(cache: Reclaimable): void {
		this.#caches.delete(cache);
		this.#caches.add(cache);
	}

	forget(cache: Reclaimable): void {
		this.#caches.delete(cache);
	}
}
