import type { SourceType } from "../resource/cdc-pipeline.ts";
import {
	BINLOG_POS,
	FILE,
	LSN,
	ORD,
	SNAPSHOT,
	SOURCE_MS,
	TRANSACTION,
} from "./envelope-part.ts";

const NULL = 0x6e;
const FALSE = 0x66;
const QUOTE = 0x22;
/** "first" begins like "false". */
const SECOND_OF_FALSE = 0x61;

const HAS_LSN = 1;
const HAS_FILE = 2;
const HAS_POS = 4;
const HAS_ORD = 8;
const IN_SNAPSHOT = 16;
const IN_TRANSACTION = 32;

const NEEDED: Readonly<Record<SourceType, number>> = {
	postgresql: HAS_LSN,
	mysql: HAS_FILE | HAS_POS,
	mariadb: HAS_FILE | HAS_POS,
	mongodb: HAS_ORD,
};

/** Bits that are mixed with those of a text: 64 of them, in two halves (cyrb53's rounds). */
export class Fingerprint {
	high = 0;
	low = 0;

	clear(): void {
		this.high = 0xdeadbeef | 0;
		this.low = 0x41c6ce57;
	}

	copy(other: Fingerprint): void {
		this.high = other.high;
		this.low = other.low;
	}

	byte(value: number): void {
		this.high = Math.imul(this.high ^ value, 0x9e3779b1);
		this.low = Math.imul(this.low ^ value, 0x5f356495);
	}

	bytes(bytes: Uint8Array, from: number, to: number): void {
		let { high, low } = this;
		for (let at = from; at < to; at++) {
			const value = bytes[at] as number;
			high = Math.imul(high ^ value, 0x9e3779b1);
			low = Math.imul(low ^ value, 0x5f356495);
		}
		this.high = high;
		this.low = low;
	}

	/** To be called once, at the end. */
	finish(): void {
		const { high, low } = this;
		this.high =
			Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^
			Math.imul(low ^ (low >>> 13), 0xc2b2ae35);
		this.low =
			Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^
			Math.imul(this.high ^ (this.high >>> 13), 0xc2b2ae35);
	}
}

/**
 * Where in the log of its source a change stands, from the fields of "source" that are the same
 * however often Debezium reads that log:
 *
 *   PostgreSQL      lsn, txId
 *   MySQL, MariaDB  server_id, file, pos, row
 *   MongoDB         ord (the increment of clusterTime)
 *
 * with ts_ms, the time of the change at the source. `sequence` is not among them: it begins with null
 * after each start of the connector.
 */
export class SourcePlace {
	readonly fingerprint = new Fingerprint();
	/** When the source made the change, in milliseconds since the epoch; -1 while unknown. */
	time = -1;
	/** The number that grows along the log: `lsn`, `ord`, or `pos`; -1 while unknown. */
	step = -1;
	#has = 0;

	clear(): void {
		this.fingerprint.clear();
		this.time = this.step = -1;
		this.#has = 0;
	}

	/** A number of the source block, which stands at `bytes[from, to)`; -1 when it is none, or beyond 2^53. */
	addNumber(
		part: number,
		bytes: Uint8Array,
		from: number,
		to: number,
		value: number,
	): void {
		if (part === SOURCE_MS) this.time = value;
		else this.step = value;
		this.add(part, bytes, from, to);
	}

	/** A field of the source block, as it stands in the message. */
	add(part: number, bytes: Uint8Array, from: number, to: number): void {
		const first = bytes[from] as number;
		switch (part) {
			case SNAPSHOT:
				if (first !== NULL && first !== FALSE && !isFalse(bytes, from))
					this.#has |= IN_SNAPSHOT;
				return;
			case TRANSACTION:
				if (first !== NULL) this.#has |= IN_TRANSACTION;
				return;
		}
		if (first === NULL) return;
		if (part === LSN) this.#has |= HAS_LSN;
		else if (part === FILE) this.#has |= HAS_FILE;
		else if (part === BINLOG_POS) this.#has |= HAS_POS;
		// A snapshot has -1.
		else if (part === ORD && first !== 0x2d) this.#has |= HAS_ORD;
		this.fingerprint.byte(part);
		this.fingerprint.bytes(bytes, from, to);
	}

	/** Whether it is known of a change that was streamed; a snapshot's rows have no place in a log. */
	known(source: SourceType): boolean {
		const needed = NEEDED[source];
		return (this.#has & (needed | IN_SNAPSHOT)) === needed;
	}

	/** Whether changes of one key and operation can share the place. */
	shared(source: SourceType, op: string): boolean {
		switch (source) {
			// Each row of an event has its number.
			case "mysql":
			case "mariadb":
				return false;
			// All changes of a transaction have one clusterTime.
			case "mongodb":
				return (this.#has & IN_TRANSACTION) !== 0;
			// Rows of one COPY share a record of the log, and the key may be one of the user's choice.
			case "postgresql":
				return op === "c";
		}
	}
}

/** `"false"`, as newer versions write it. */
function isFalse(bytes: Uint8Array, from: number): boolean {
	return (
		bytes[from] === QUOTE &&
		bytes[from + 1] === FALSE &&
		bytes[from + 2] === SECOND_OF_FALSE
	);
}
