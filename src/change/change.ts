import type { Batch } from "../columnar/vector.ts";

export interface ChangeMessage {
	readonly key: Uint8Array | null;
	readonly value: Uint8Array | null;
	readonly topic: string;
	readonly partition: number;
	/** Within 2^53, as in a `txn`. */
	readonly offset: number;
}

/** What a message turned out to be. */
export type Decoded =
	| { readonly kind: "row" }
	| { readonly kind: "skip"; readonly reason: SkipReason }
	| {
			readonly kind: "dead-letter";
			readonly code: DeadLetterCode;
			readonly message: string;
	  };

export type SkipReason =
	| "tombstone"
	| "heartbeat"
	| "transaction"
	| "schema-change"
	/** An update whose document was gone before Debezium looked it up; its delete follows. */
	| "vanished"
	| "truncate"
	| "message"
	/** Debezium sent it before. */
	| "repeated";

export type DeadLetterCode =
	| "UTF8_INVALID"
	| "JSON_INVALID"
	| "ENVELOPE_UNKNOWN"
	| "KEY_MISSING"
	| "SCHEMA_FROZEN";

export interface ChangeBatch {
	readonly batch: Batch;
	/** With upsert, per row: whether it is gone. */
	readonly deleted: Uint8Array;
	/** Columns that identify a row; empty when the source has no key. */
	readonly keyColumns: readonly string[];
	/** With upsert: the source emptied the table before the first of these rows. */
	readonly truncated: boolean;
	/** Whether the last records were flattened ones, whose deletes are tombstones. */
	readonly flattened?: boolean;
	/** Milliseconds since the epoch; 0 when no change had a time. */
	readonly newestSourceMs: number;
	/** Of the changes that were streamed, not of a snapshot's rows; 0 when there were none. */
	readonly oldestStreamedMs: number;
}

export const ROW: Decoded = { kind: "row" };

export const SKIP = {
	tombstone: { kind: "skip", reason: "tombstone" },
	heartbeat: { kind: "skip", reason: "heartbeat" },
	transaction: { kind: "skip", reason: "transaction" },
	"schema-change": { kind: "skip", reason: "schema-change" },
	vanished: { kind: "skip", reason: "vanished" },
	truncate: { kind: "skip", reason: "truncate" },
	message: { kind: "skip", reason: "message" },
	repeated: { kind: "skip", reason: "repeated" },
} as const satisfies Record<SkipReason, Decoded>;

export function dead(code: DeadLetterCode, message: string): Decoded {
	return { kind: "dead-letter", code, message };
}
