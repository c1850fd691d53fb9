import { crc32 } from "node:zlib";
import {
	FIRST_HASHED_KIND,
	type KeyBatch,
	MAX_TAIL,
	tailStart,
} from "./key-batch.ts";
import { NO_FILE } from "./overlay.ts";

/*
 * The journal holds the changes since the base was written, one record after another:
 *
 *   u32 LE  size of what follows the next field
 *   u32 LE  CRC-32 of that
 *   u32 LE  size of the header
 *   header  JSON: RecordHeader
 *   keys    24 bytes each: 4 words, kind (8 bits) and file number (24), row
 *   tails   of the keys that have one, in their order: length (u8), bytes
 *
 * A record that is torn, damaged or does not follow the one before it ends the journal.
 */
interface RecordHeader {
	/** The state that this changes, and the one that it leads to. */
	readonly from: number;
	readonly to: number;
	/** Every key before this record is gone. */
	readonly clear?: boolean;
	/** Files by number: their key, or null when they are gone. */
	readonly files: readonly (readonly [number, string | null])[];
	readonly keys: number;
}

/** Keys and where they are now. */
export interface Places {
	readonly keys: KeyBatch;
	/** File numbers; NO_FILE for a key that was deleted. */
	readonly files: Uint32Array;
	readonly rows: Uint32Array;
	/** The keys that count; all that there are unless given. */
	readonly order?: Uint32Array;
}

export interface JournalRecord extends Omit<RecordHeader, "keys"> {
	readonly places: Places | undefined;
}

const FRAME_BYTES = 8;
const KEY_BYTES = 24;

export function encodeRecord(record: JournalRecord): Uint8Array {
	const { places } = record;
	const rows = places === undefined ? new Uint32Array(0) : rowsOf(places);
	const header = Buffer.from(
		JSON.stringify({
			from: record.from,
			to: record.to,
			...(record.clear === true ? { clear: true } : {}),
			files: record.files,
			keys: rows.length,
		} satisfies RecordHeader),
	);
	let tailBytes = 0;
	if (places !== undefined)
		for (const i of rows)
			if ((places.keys.kinds[i] as number) >= FIRST_HASHED_KIND)
				tailBytes +=
					1 + (places.keys.tailEnds[i] as number) - tailStart(places.keys, i);
	// Keys begin at a multiple of four, for they are written as words.
	const padding = -(FRAME_BYTES + 4 + header.length) & 3;
	const keysAt = FRAME_BYTES + 4 + header.length + padding;
	const size = keysAt + rows.length * KEY_BYTES + tailBytes;
	const bytes = new Uint8Array(size);
	const view = Buffer.from(bytes.buffer);
	view.writeUInt32LE(size - FRAME_BYTES, 0);
	view.writeUInt32LE(header.length + padding, FRAME_BYTES);
	view.set(header, FRAME_BYTES + 4);
	view.fill(0x20, FRAME_BYTES + 4 + header.length, keysAt);
	if (places !== undefined) {
		const { keys, files } = places;
		const words = new Uint32Array(bytes.buffer, keysAt, rows.length * 6);
		let tailAt = keysAt + rows.length * KEY_BYTES;
		let at = 0;
		for (const i of rows) {
			for (let word = 0; word < 4; word++)
				words[at++] = keys.words[i * 4 + word] as number;
			words[at++] = ((keys.kinds[i] as number) << 24) | (files[i] as number);
			words[at++] = places.rows[i] as number;
			if ((keys.kinds[i] as number) < FIRST_HASHED_KIND) continue;
			const tail = keys.tails.subarray(tailStart(keys, i), keys.tailEnds[i]);
			bytes[tailAt++] = tail.length;
			bytes.set(tail, tailAt);
			tailAt += tail.length;
		}
	}
	view.writeUInt32LE(crc32(bytes.subarray(FRAME_BYTES)), 4);
	return bytes;
}

/** The record at `at`, and where the next one begins; `undefined` when there is no whole one. */
export function decodeRecord(
	journal: Uint8Array,
	at: number,
): { readonly record: JournalRecord; readonly next: number } | undefined {
	const view = Buffer.from(
		journal.buffer,
		journal.byteOffset,
		journal.byteLength,
	);
	if (at + FRAME_BYTES + 4 > view.length) return undefined;
	const next = at + FRAME_BYTES + view.readUInt32LE(at);
	if (next > view.length || next < at + FRAME_BYTES + 4) return undefined;
	const body = view.subarray(at + FRAME_BYTES, next);
	if (crc32(body) !== view.readUInt32LE(at + 4)) return undefined;
	const headerEnd = 4 + body.readUInt32LE(0);
	const header = JSON.parse(
		body.toString("utf8", 4, headerEnd),
	) as RecordHeader;
	const { keys: length, ...rest } = header;
	if (length === 0) return { record: { ...rest, places: undefined }, next };
	const words = new Uint32Array(length * 4);
	const kinds = new Uint8Array(length);
	const files = new Uint32Array(length);
	const rows = new Uint32Array(length);
	const tailEnds = new Uint32Array(length);
	const tailsAt = headerEnd + length * KEY_BYTES;
	const tails = new Uint8Array(Math.max(0, body.length - tailsAt));
	let tailFrom = tailsAt;
	let tailSize = 0;
	for (let i = 0; i < length; i++) {
		const from = headerEnd + i * KEY_BYTES;
		for (let word = 0; word < 4; word++)
			words[i * 4 + word] = body.readUInt32LE(from + word * 4);
		const place = body.readUInt32LE(from + 16);
		kinds[i] = place >>> 24;
		files[i] = place & NO_FILE;
		rows[i] = body.readUInt32LE(from + 20);
		if (place >>> 24 >= FIRST_HASHED_KIND) {
			const tail = Math.min(MAX_TAIL, body[tailFrom] as number);
			tails.set(body.subarray(tailFrom + 1, tailFrom + 1 + tail), tailSize);
			tailFrom += 1 + tail;
			tailSize += tail;
		}
		tailEnds[i] = tailSize;
	}
	const keys = { length, words, kinds, tails, tailEnds };
	return { record: { ...rest, places: { keys, files, rows } }, next };
}

/** The rows of the keys that count. */
export function rowsOf(places: Places): Uint32Array {
	return (
		places.order ??
		Uint32Array.from({ length: places.keys.length }, (_, i) => i)
	);
}
