/** Where a key's row is: a file, by number, and the row's position in it. */
export interface Place {
	readonly file: number;
	readonly row: number;
}

const ROWS = 2 ** 32;

/** Key to place, in memory; rebuilt from the table's key columns whenever a writer starts. */
export class KeyIndex {
	/** A place as one double: file × 2^32 + row. */
	readonly #places = new Map<string, number>();
	readonly #paths: string[] = [];
	readonly #numbers = new Map<string, number>();

	get size(): number {
		return this.#places.size;
	}

	fileNumber(path: string): number {
		const known = this.#numbers.get(path);
		if (known !== undefined) return known;
		this.#paths.push(path);
		this.#numbers.set(path, this.#paths.length - 1);
		return this.#paths.length - 1;
	}

	path(file: number): string {
		return this.#paths[file] ?? "";
	}

	get(key: string): Place | undefined {
		const place = this.#places.get(key);
		return place === undefined
			? undefined
			: { file: Math.floor(place / ROWS), row: place % ROWS };
	}

	set(key: string, place: Place): void {
		this.#places.set(key, place.file * ROWS + place.row);
	}

	delete(key: string): void {
		this.#places.delete(key);
	}

	clear(): void {
		this.#places.clear();
		this.#paths.length = 0;
		this.#numbers.clear();
	}
}
