import { crc32 } from "node:zlib";
import type { Disk } from "../storage/disk.ts";
import type { Base, BaseInfo } from "./base.ts";
import { FIRST_HASHED_KIND, sameTail } from "./key-batch.ts";
import { NO_FILE, type Overlay } from "./overlay.ts";
import { entriesOf, entryAt, PAGE_BYTES, PageBuilder } from "./page.ts";

const FLUSH_BYTES = 1024 * 1024;

/** Writes base and overlay as a new base, without deleted keys and places in files that are gone. */
export async function mergeBase(
	disk: Disk,
	options: {
		readonly base: Base | undefined;
		readonly overlay: Overlay;
		readonly file: string;
		readonly alive: (file: number) => boolean;
	},
): Promise<BaseInfo> {
	const { base, overlay, file, alive } = options;
	const out = await disk.append(file, 0);
	try {
		let firsts = new Uint32Array(64);
		let pages = 0;
		let entries = 0;
		let buffer = new Uint8Array(16 * PAGE_BYTES);
		let buffered = 0;
		const builder = new PageBuilder((page, first) => {
			if (pages === firsts.length) {
				const larger = new Uint32Array(pages * 2);
				larger.set(firsts);
				firsts = larger;
			}
			firsts[pages++] = first;
			if (buffered + PAGE_BYTES > buffer.length) {
				const larger = new Uint8Array(buffer.length * 2);
				larger.set(buffer);
				buffer = larger;
			}
			buffer.set(page, buffered);
			buffered += PAGE_BYTES;
		});
		const flush = async (): Promise<void> => {
			await out.append(buffer.subarray(0, buffered));
			buffered = 0;
		};
		const add = (source: Source): void => {
			const number = (source.words[source.at + 4] as number) & NO_FILE;
			if (number === NO_FILE || !alive(number)) return;
			entries++;
			builder.add(
				source.words,
				source.at,
				source.tails,
				source.tailFrom,
				source.tailTo,
			);
		};
		const changed = new OverlayCursor(overlay);
		for await (const page of base?.pages() ?? []) {
			const old = new PageCursor(page);
			while (old.more) {
				const w0 = old.words[old.at] as number;
				while (changed.more && changed.first < w0) {
					add(changed);
					changed.next();
				}
				if (!changed.more || changed.first !== w0 || !changed.replaces(old))
					add(old);
				old.next();
			}
			if (buffered >= FLUSH_BYTES) await flush();
		}
		while (changed.more) {
			add(changed);
			changed.next();
			if (buffered >= FLUSH_BYTES) await flush();
		}
		builder.finish();
		await flush();
		const directory = new Uint8Array(firsts.buffer, 0, pages * 4);
		await out.append(directory);
		await out.sync();
		return { file, pages, entries, directory: crc32(directory) };
	} finally {
		await out.close();
	}
}

/** An entry: its words, and its tail. */
interface Source {
	readonly words: Uint32Array;
	readonly at: number;
	readonly tails: Uint8Array;
	readonly tailFrom: number;
	readonly tailTo: number;
}

class PageCursor implements Source {
	readonly words: Uint32Array;
	readonly tails: Uint8Array;
	at = 0;
	tailFrom = 0;
	tailTo = 0;
	#n = 0;

	constructor(page: Uint32Array) {
		this.words = page;
		this.tails = new Uint8Array(page.buffer, page.byteOffset, PAGE_BYTES);
		this.tailTo = entryAt(entriesOf(page)) * 4;
		this.#settle();
	}

	get more(): boolean {
		return this.#n < entriesOf(this.words);
	}

	next(): void {
		this.#n++;
		this.#settle();
	}

	#settle(): void {
		if (!this.more) return;
		this.at = entryAt(this.#n);
		// Behind the last tail; that of an inline key is empty.
		this.tailFrom = this.tailTo;
		if ((this.words[this.at + 4] as number) >>> 24 < FIRST_HASHED_KIND) return;
		const length = this.tails[this.tailTo] as number;
		this.tailFrom = this.tailTo + 1;
		this.tailTo = this.tailFrom + length;
	}
}

class OverlayCursor implements Source {
	readonly words: Uint32Array;
	readonly tails: Uint8Array;
	/** Slots of the same first word as the current one, and the current one's place among them. */
	#run: number[] = [];
	#n = 0;
	#ahead: number | undefined;
	readonly #slots: Iterator<number, void, undefined>;

	constructor(overlay: Overlay) {
		this.words = overlay.slots;
		this.tails = overlay.heap;
		this.#slots = overlay.sorted();
		this.#ahead = this.#slots.next().value ?? undefined;
		this.#fill();
	}

	get more(): boolean {
		return this.#n < this.#run.length;
	}

	get at(): number {
		return this.#run[this.#n] as number;
	}

	get first(): number {
		return this.words[this.at] as number;
	}

	get tailFrom(): number {
		return this.#hashed(this.at) ? (this.words[this.at + 6] as number) + 1 : 0;
	}

	get tailTo(): number {
		return this.#hashed(this.at)
			? this.tailFrom + (this.tails[this.tailFrom - 1] as number)
			: 0;
	}

	next(): void {
		if (++this.#n === this.#run.length) this.#fill();
	}

	/** Whether one of the keys with the current first word is that of an entry of the base. */
	replaces(entry: Source): boolean {
		return this.#run.some((at) => {
			for (let word = 1; word < 4; word++)
				if (this.words[at + word] !== entry.words[entry.at + word])
					return false;
			const kind = (this.words[at + 4] as number) >>> 24;
			if (kind !== (entry.words[entry.at + 4] as number) >>> 24) return false;
			if (!this.#hashed(at)) return true;
			const from = (this.words[at + 6] as number) + 1;
			return sameTail(
				this.tails,
				from,
				from + (this.tails[from - 1] as number),
				entry.tails,
				entry.tailFrom,
				entry.tailTo,
			);
		});
	}

	#hashed(at: number): boolean {
		return (this.words[at + 4] as number) >>> 24 >= FIRST_HASHED_KIND;
	}

	#fill(): void {
		this.#run = [];
		this.#n = 0;
		while (
			this.#ahead !== undefined &&
			(this.#run[0] === undefined ||
				this.words[this.#ahead] === this.words[this.#run[0]])
		) {
			this.#run.push(this.#ahead);
			this.#ahead = this.#slots.next().value ?? undefined;
		}
	}
}
