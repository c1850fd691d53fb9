/** What gives memory back when it is asked to. */
export interface Reclaimable {
	/** Frees all it can at once. */
	reclaim(): void;
}

/** What changes may take before they are merged, even if pages of the bases could use it. */
const CHANGES_SHARE = 1 / 4;

/** The memory that the indexes of a process may use together, bytes. */
export class IndexMemory {
	readonly limit: number;
	#changes = 0;
	#pages = 0;
	/** Pages have found no room because changes took more than their share. */
	#crowded = false;
	/** Caches, least recently used first. */
	readonly #caches = new Set<Reclaimable>();

	constructor(limit: number) {
		this.limit = limit;
	}

	get used(): number {
		return this.#changes + this.#pages;
	}

	/** What changes take above what they may: their share, and what no page has a use for. */
	changesAbove(more: number): number {
		const least = this.limit * CHANGES_SHARE;
		const may = this.#crowded
			? least
			: Math.max(least, this.limit - this.#pages);
		return this.#changes + more - may;
	}

	/** Whether there is room for `bytes` of pages, which count then; caches not in use make room. */
	reserve(bytes: number, by: Reclaimable): boolean {
		this.touch(by);
		const least = this.limit * CHANGES_SHARE;
		const limit = this.limit - Math.max(least, this.#changes);
		for (const cache of this.#caches) {
			if (this.#pages + bytes <= limit) break;
			if (cache !== by) cache.reclaim();
		}
		if (this.#pages + bytes > limit) {
			this.#crowded = this.#changes > least;
			return false;
		}
		this.#pages += bytes;
		return true;
	}

	/** Takes memory for pages that there is no way around, or gives it back. */
	addPages(bytes: number): void {
		this.#pages += bytes;
	}

	addChanges(bytes: number): void {
		this.#changes += bytes;
		if (bytes < 0) this.#crowded = false;
	}

	touch(cache: Reclaimable): void {
		this.#caches.delete(cache);
		this.#caches.add(cache);
	}

	forget(cache: Reclaimable): void {
		this.#caches.delete(cache);
	}
}
