import { NO_FILE } from "./overlay.ts";
import { IndexDamagedError } from "./page.ts";

/**
 * The files that places are in, by number. A number is never given to a second file, so that an old
 * place can't come to mean a row of another one; a place in a file that is not here is none.
 */
export class FileNumbers {
	/** By number: the file's key, which is its path, and behind a line break that of its deletion vector. */
	readonly #keys: (string | undefined)[] = [];
	/** By path. */
	readonly #numbers = new Map<string, number>();

	/** Numbers given so far. */
	get next(): number {
		return this.#keys.length;
	}

	get size(): number {
		return this.#numbers.size;
	}

	/**
	 * A number for places that are to come; they count once it is `set`.
	 * @throws IndexDamagedError when there is none left
	 */
	allocate(): number {
		if (this.#keys.length >= NO_FILE)
			throw new IndexDamagedError(
				`${NO_FILE} files were indexed; the index is made again from the table`,
			);
		return this.#keys.push(undefined) - 1;
	}

	/** The numbers below `next` are given. */
	skipTo(next: number): void {
		while (this.#keys.length < next) this.#keys.push(undefined);
	}

	key(number: number): string | undefined {
		return this.#keys[number];
	}

	/** Of the file with the path of this key. */
	number(key: string): number | undefined {
		return this.#numbers.get(pathOf(key));
	}

	/** Names a file, renames it, or, without a key, forgets it. */
	set(number: number, key: string | undefined): void {
		const before = this.#keys[number];
		if (before !== undefined && this.#numbers.get(pathOf(before)) === number)
			this.#numbers.delete(pathOf(before));
		this.skipTo(number + 1);
		this.#keys[number] = key;
		if (key !== undefined) this.#numbers.set(pathOf(key), number);
	}

	/** Files by their key. */
	*entries(): Generator<[string, number], void, undefined> {
		for (const number of this.#numbers.values())
			yield [this.#keys[number] as string, number];
	}

	clear(): void {
		this.#keys.length = 0;
		this.#numbers.clear();
	}
}

function pathOf(key: string): string {
	const end = key.indexOf("\n");
	return end < 0 ? key : key.slice(0, end);
}
