/** A name that objects of a stream have, ready to be recognised by its bytes. */
export class Field {
	readonly name: string;
	readonly nameBytes: Uint8Array;
	readonly hash: number;
	/** `"name":` in words of 4 bytes, the last of which ends where the key ends. */
	readonly plainKey: Int32Array;
	/** `\"name\":`, as it stands in a document inside a string. */
	readonly nestedKey: Int32Array;
	readonly plainLength: number;
	readonly nestedLength: number;

	constructor(name: string) {
		this.name = name;
		this.nameBytes = Buffer.from(name);
		this.hash = hashOf(this.nameBytes);
		// A name with escapes can be written in several ways: it is looked up instead.
		const literal = name !== "" && JSON.stringify(name) === `"${name}"`;
		this.plainKey = literal ? wordsOf(`"${name}":`) : NO_WORDS;
		this.nestedKey = literal ? wordsOf(`\\"${name}\\":`) : NO_WORDS;
		this.plainLength = this.nameBytes.length + 3;
		this.nestedLength = this.nameBytes.length + 5;
	}
}

const NO_WORDS = new Int32Array(0);

/**
 * Text of at least four bytes in words, little-endian; the last word overlaps the one before unless
 * the length is 4n.
 */
export function wordsOf(text: string | Uint8Array): Int32Array {
	const bytes = Buffer.from(text);
	const words = new Int32Array(Math.ceil(bytes.length / 4));
	for (let i = 0; i < words.length; i++)
		words[i] = bytes.readInt32LE(Math.min(4 * i, bytes.length - 4));
	return words;
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
	readonly #byName = new Map<string, F>();
	#places = new Int32Array(16);

	/** `field` must be new. */
	add(field: F): void {
		this.fields.push(field);
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
