/** A name that objects of a stream have, ready to be recognised by its bytes. */
export class Field {
	readonly name: string;
	readonly nameBytes: Uint8Array;
	readonly hash: number;
	/** Whether the name has one way to be written; one with escapes is looked up instead. */
	readonly literal: boolean;
	/** Where `"name":` begins in the words of the index that the field is in. */
	plainAt = 0;
	/** Where `\"name\":` begins there, as it stands in a document inside a string. */
	nestedAt = 0;

	constructor(name: string) {
		this.name = name;
		this.nameBytes = Buffer.from(name);
		this.hash = hashOf(this.nameBytes);
		this.literal = name !== "" && JSON.stringify(name) === `"${name}"`;
	}
}

/**
 * Texts of at least four bytes in words, little-endian, the last of which ends where the text ends. One
 * array for all: they are compared in turn, and stay near each other in the processor's cache.
 */
export class Words {
	/** A text's length in bytes, then its words. */
	values = new Int32Array(64);
	#size = 0;

	/** Where the text begins. */
	add(text: Uint8Array): number {
		const bytes = Buffer.from(text);
		const count = (bytes.length + 3) >> 2;
		const at = this.#size;
		this.#size += 1 + count;
		if (this.#size > this.values.length) {
			const larger = new Int32Array(2 * this.#size);
			larger.set(this.values);
			this.values = larger;
		}
		this.values[at] = bytes.length;
		for (let i = 0; i < count; i++)
			this.values[at + 1 + i] = bytes.readInt32LE(
				Math.min(4 * i, bytes.length - 4),
			);
		return at;
	}
}

/** Mixes a word of a name into its hash; `JsonReader.key` hashes what it reads in the same way. */
export function mix(hash: number, word: number): number {
	const mixed = Math.imul(hash ^ word, 0x9e3779b1);
	return mixed ^ (mixed >>> 15);
}

function hashOf(name: Uint8Array): number {
	const padded = Buffer.alloc((name.length | 3) + 1);
	padded.set(name);
	let hash = 0;
	for (let at = 0; at <= name.length; at += 4)
		hash = mix(hash, padded.readInt32LE(at));
	return hash;
}

/** Fields by the bytes of their names: open addressing over the hashes. */
export class FieldIndex<F extends Field> {
	readonly fields: F[] = [];
	/** The fields' keys. */
	readonly words = new Words();
	readonly #byName = new Map<string, F>();
	#places = new Int32Array(16);

	/** `field` must be new. */
	add(field: F): void {
		this.fields.push(field);
		if (field.literal) {
			field.plainAt = this.words.add(Buffer.from(`"${field.name}":`));
			field.nestedAt = this.words.add(Buffer.from(`\\"${field.name}\\":`));
		}
		this.#byName.set(field.name, field);
		if (this.fields.length * 2 > this.#places.length) {
			this.#places = new Int32Array(this.#places.length * 2);
			for (let i = 0; i < this.fields.length - 1; i++)
				this.#place(i, this.fields[i] as F);
		}
		this.#place(this.fields.length - 1, field);
	}

	named(name: string): F | undefined {
		return this.#byName.get(name);
	}

	/** The field of the name `bytes[from, to)`, whose hash is `hash`. */
	find(
		bytes: Uint8Array,
		from: number,
		to: number,
		hash: number,
	): F | undefined {
		const mask = this.#places.length - 1;
		for (let at = hash & mask; ; at = (at + 1) & mask) {
			const place = this.#places[at] as number;
			if (place === 0) return undefined;
			const field = this.fields[place - 1] as F;
			if (field.hash === hash && isName(field.nameBytes, bytes, from, to))
				return field;
		}
	}

	#place(i: number, field: F): void {
		const mask = this.#places.length - 1;
		let at = field.hash & mask;
		while (this.#places[at] !== 0) at = (at + 1) & mask;
		this.#places[at] = i + 1;
	}
}

function isName(
	name: Uint8Array,
	bytes: Uint8Array,
	from: number,
	to: number,
): boolean {
	if (name.length !== to - from) return false;
	for (let i = 0; i < name.length; i++)
		if (name[i] !== bytes[from + i]) return false;
	return true;
}
