/** What is read of a map by key; it never changes. */
export interface KeyedMap<V> {
	readonly size: number;
	get(key: string): V | undefined;
	has(key: string): boolean;
	keys(): IterableIterator<string>;
	values(): IterableIterator<V>;
	entries(): IterableIterator<[string, V]>;
}

type Layer<V> = ReadonlyMap<string, V | undefined>;

/**
 * An immutable map whose successors share most of it: a base that is never copied, and layers of
 * changes over it, of which neighbours of like size are merged. A successor costs the changes that it
 * brings times the logarithm of all changes, however large the base is.
 */
export class LayeredMap<V> implements KeyedMap<V> {
	readonly #base: KeyedMap<V>;
	/** Oldest first; `undefined` says that the key is gone. */
	readonly #layers: readonly Layer<V>[];
	#size: number | undefined;

	private constructor(
		base: KeyedMap<V>,
		layers: readonly Layer<V>[],
		size: number | undefined,
	) {
		this.#base = base;
		this.#layers = layers;
		this.#size = size;
	}

	static over<V>(base: KeyedMap<V>): LayeredMap<V> {
		return new LayeredMap(base, [], undefined);
	}

	static empty<V>(): LayeredMap<V> {
		return LayeredMap.over<V>(new Map<string, V>());
	}

	/** This map with some keys set, and those with `undefined` deleted; `changes` is taken over. */
	with(changes: ReadonlyMap<string, V | undefined>): LayeredMap<V> {
		if (changes.size === 0) return this;
		let size = this.#size;
		if (size !== undefined)
			for (const [key, value] of changes)
				size += Number(value !== undefined) - Number(this.has(key));
		const layers = [...this.#layers, changes];
		for (;;) {
			const newer = layers.at(-1);
			const older = layers.at(-2);
			if (newer === undefined || older === undefined) break;
			if (older.size > 2 * newer.size) break;
			const merged = new Map(older);
			for (const [key, value] of newer) {
				// What was set later comes later, as in a map that is written in that order.
				merged.delete(key);
				merged.set(key, value);
			}
			layers.splice(-2, 2, merged);
		}
		return new LayeredMap(this.#base, layers, size);
	}

	get size(): number {
		if (this.#size === undefined) {
			let size = this.#base.size;
			for (const [i, layer] of this.#layers.entries())
				for (const [key, value] of layer)
					if (!this.#inLayers(key, i + 1))
						size += Number(value !== undefined) - Number(this.#base.has(key));
			this.#size = size;
		}
		return this.#size;
	}

	get(key: string): V | undefined {
		for (let i = this.#layers.length - 1; i >= 0; i--) {
			const layer = this.#layers[i] as Layer<V>;
			const value = layer.get(key);
			if (value !== undefined || layer.has(key)) return value;
		}
		return this.#base.get(key);
	}

	has(key: string): boolean {
		for (let i = this.#layers.length - 1; i >= 0; i--) {
			const layer = this.#layers[i] as Layer<V>;
			if (layer.has(key)) return layer.get(key) !== undefined;
		}
		return this.#base.has(key);
	}

	*entries(): IterableIterator<[string, V]> {
		if (this.#layers.length === 0) {
			yield* this.#base.entries();
			return;
		}
		for (const entry of this.#base.entries())
			if (!this.#inLayers(entry[0], 0)) yield entry;
		for (const [i, layer] of this.#layers.entries())
			for (const [key, value] of layer)
				if (value !== undefined && !this.#inLayers(key, i + 1))
					yield [key, value];
	}

	*keys(): IterableIterator<string> {
		for (const [key] of this.entries()) yield key;
	}

	*values(): IterableIterator<V> {
		if (this.#layers.length === 0) yield* this.#base.values();
		else for (const [, value] of this.entries()) yield value;
	}

	/** What is set over the base, newest values only; `undefined` where a key is gone. */
	*changes(): IterableIterator<[string, V | undefined]> {
		for (const [i, layer] of this.#layers.entries())
			for (const entry of layer)
				if (!this.#inLayers(entry[0], i + 1)) yield entry;
	}

	/** Whether a layer from `from` on decides over the key. */
	#inLayers(key: string, from: number): boolean {
		for (let i = this.#layers.length - 1; i >= from; i--)
			if ((this.#layers[i] as Layer<V>).has(key)) return true;
		return false;
	}
}
