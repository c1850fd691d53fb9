import type { RecordHeader, SourceRecord } from "./source.ts";

/*
 * A record batch (KIP-98), integers big-endian:
 *
 *    0  base_offset int64             23  last_offset_delta int32   53  base_sequence int32
 *    8  length int32, of what follows 27  base_timestamp int64      57  record count int32
 *   12  partition_leader_epoch int32  35  max_timestamp int64       61  records, compressed
 *   16  magic int8: 2                 43  producer_id int64             together by what the
 *   17  crc uint32                    51  producer_epoch int16          attributes say
 *   21  attributes int16: 0–2 codec, 4 transactional, 5 control
 *
 * A record, its integers zigzag varints: length of what follows, attributes int8, timestamp delta,
 * offset delta, length of the key or -1, key, length of the value or -1, value, number of headers,
 * headers [length, name, length or -1, value].
 */
const MAGIC = 16;
const ATTRIBUTES = 21;
const LAST_OFFSET_DELTA = 23;
const BASE_TIMESTAMP = 27;
const MAX_TIMESTAMP = 35;
const PRODUCER_ID = 43;
const COUNT = 57;
const RECORDS = 61;
const LENGTH_END = 12;
/** The broker's time counts, for all records. */
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const CURRENT_MAGIC = 2;

/** A record batch as the broker sent it; its records are still compressed. */
export interface RecordBatch {
	readonly bytes: Buffer;
	readonly baseOffset: number;
	readonly lastOffset: number;
	/** Of KIP-98's codecs; 0 for none. */
	readonly codec: number;
	readonly count: number;
	readonly producerId: bigint;
	readonly transactional: boolean;
	/** Holds a marker of a transaction's end, and no data. */
	readonly control: boolean;
}

/** A message set is older than record batches, and is not read here. */
export function isMessageSet(records: Buffer): boolean {
	return records.length > MAGIC && records[MAGIC] !== CURRENT_MAGIC;
}

/** The batches of a partition's answer, whose last one may be cut off: it comes again. */
export function recordBatches(records: Buffer): RecordBatch[] {
	const batches: RecordBatch[] = [];
	for (let at = 0; at + RECORDS <= records.length; ) {
		const end = at + LENGTH_END + records.readInt32BE(at + 8);
		if (end > records.length || end < at + RECORDS) break;
		const bytes = records.subarray(at, end);
		const attributes = bytes.readInt16BE(ATTRIBUTES);
		const baseOffset = int64(bytes, 0);
		batches.push({
			bytes,
			baseOffset,
			lastOffset: baseOffset + bytes.readInt32BE(LAST_OFFSET_DELTA),
			codec: attributes & 7,
			count: bytes.readInt32BE(COUNT),
			producerId: bytes.readBigInt64BE(PRODUCER_ID),
			transactional: (attributes & TRANSACTIONAL) !== 0,
			control: (attributes & CONTROL) !== 0,
		});
		at = end;
	}
	return batches;
}

/** An aborted transaction's marker is a control record whose key is version 0 and type 0. */
export function endsAborted(batch: RecordBatch): boolean {
	if (!batch.control) return false;
	const cursor = new RecordCursor([batch], (_, bytes) => bytes);
	if (cursor.next().done === true) return false;
	const key = cursor.key;
	return key?.length === 4 && key[2] === 0 && key[3] === 0;
}

/** An integer of 64 bits that is within ±2^53, as offsets are. */
export function int64(bytes: Buffer, at: number): number {
	return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

export type Decompress = (codec: number, bytes: Buffer) => Buffer;

/**
 * Goes through the records of batches. It is the record itself, one after another, so that a record
 * costs no object; a batch is decompressed when its turn comes.
 * @throws RangeError from `next` for a record that reaches over its batch, and what `decompress` throws
 */
export class RecordCursor
	implements
		SourceRecord,
		Iterable<SourceRecord>,
		Iterator<SourceRecord, undefined>
{
	offset = -1;
	readonly #batches: readonly RecordBatch[];
	readonly #decompress: Decompress;
	readonly #result: IteratorYieldResult<SourceRecord>;
	#batch = -1;
	#baseOffset = 0;
	/** Records of the batch that are left. */
	#left = 0;
	#bytes: Buffer = EMPTY;
	#at = 0;
	#timestampAt = 0;
	#keyAt = 0;
	#keyLength = -1;
	#valueAt = 0;
	#valueLength = -1;
	/** The record's end, which is where the next begins. */
	#end = 0;

	constructor(batches: readonly RecordBatch[], decompress: Decompress) {
		this.#batches = batches;
		this.#decompress = decompress;
		this.#result = { done: false, value: this };
	}

	get key(): Uint8Array | null {
		return this.#part(this.#keyAt, this.#keyLength);
	}

	get value(): Uint8Array | null {
		return this.#part(this.#valueAt, this.#valueLength);
	}

	headers(): RecordHeader[] {
		const found: RecordHeader[] = [];
		this.#at = this.#valueAt + Math.max(0, this.#valueLength);
		const count = this.#varint();
		for (let n = 0; n < count && this.#at < this.#end; n++) {
			const length = this.#varint();
			const name = this.#bytes.toString("utf8", this.#at, this.#skip(length));
			const size = this.#varint();
			const valueAt = this.#at;
			if (this.#skip(size) > this.#end) throw cutOff(this.#baseOffset);
			// Headers are kept, the record's bytes are not.
			const value = this.#part(valueAt, size)?.slice() ?? null;
			found.push({ name, value });
		}
		return found;
	}

	timestamp(): number {
		const header = this.#batches[this.#batch]?.bytes;
		if (header === undefined) return -1;
		if ((header.readInt16BE(ATTRIBUTES) & LOG_APPEND_TIME) !== 0)
			return int64(header, MAX_TIMESTAMP);
		// A varint of up to 64 bits.
		let delta = 0;
		let scale = 1;
		for (let at = this.#timestampAt; ; at++, scale *= 128) {
			const byte = this.#bytes[at] as number;
			delta += (byte & 0x7f) * scale;
			if (byte < 0x80) break;
		}
		const zigzag = delta % 2 === 0 ? delta / 2 : -(delta + 1) / 2;
		return int64(header, BASE_TIMESTAMP) + zigzag;
	}

	[Symbol.iterator](): this {
		return this;
	}

	next(): IteratorResult<SourceRecord, undefined> {
		while (this.#left === 0) if (!this.#open()) return DONE;
		this.#left--;
		this.#at = this.#end;
		const length = this.#varint();
		const end = this.#at + length;
		if (length < 0 || end > this.#bytes.length) throw cutOff(this.#baseOffset);
		this.#end = end;
		this.#timestampAt = ++this.#at;
		while ((this.#bytes[this.#at++] as number) >= 0x80);
		this.offset = this.#baseOffset + this.#varint();
		this.#keyLength = this.#varint();
		this.#keyAt = this.#at;
		this.#skip(this.#keyLength);
		this.#valueLength = this.#varint();
		this.#valueAt = this.#at;
		if (this.#skip(this.#valueLength) > end) throw cutOff(this.#baseOffset);
		return this.#result;
	}

	#open(): boolean {
		const batch = this.#batches[++this.#batch];
		if (batch === undefined) return false;
		this.#baseOffset = batch.baseOffset;
		this.#left = batch.count;
		this.#bytes = batch.bytes;
		this.#end = RECORDS;
		if (batch.codec !== 0 && batch.count > 0) {
			this.#bytes = this.#decompress(
				batch.codec,
				batch.bytes.subarray(RECORDS),
			);
			this.#end = 0;
		}
		return true;
	}

	#part(at: number, length: number): Uint8Array | null {
		if (length < 0) return null;
		const { buffer, byteOffset } = this.#bytes;
		return new Uint8Array(buffer, byteOffset + at, length);
	}

	#skip(length: number): number {
		if (length > 0) this.#at += length;
		return this.#at;
	}

	#varint(): number {
		const bytes = this.#bytes;
		let byte = bytes[this.#at++] as number;
		let value = byte & 0x7f;
		for (let shift = 7; byte >= 0x80 && shift < 35; shift += 7) {
			byte = bytes[this.#at++] as number;
			value |= (byte & 0x7f) << shift;
		}
		return (value >>> 1) ^ -(value & 1);
	}
}

const EMPTY = Buffer.alloc(0);
const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

function cutOff(baseOffset: number): RangeError {
	return new RangeError(
		`a record of the batch at offset ${baseOffset} reaches over its end; the batch is damaged`,
	);
}
