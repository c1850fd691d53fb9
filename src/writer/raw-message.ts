import type { ChangeMessage } from "../change/change.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { SourceRecord, TopicPartition } from "./source.ts";

/** A record as it came, for when it can't become a row. */
export interface RawMessage extends ChangeMessage {
	/** What else there is of it; gone with the next record. */
	readonly record?: Pick<SourceRecord, "headers" | "timestamp">;
}

/** The record that is being decoded, with its place; one for a whole batch. */
export class Message implements RawMessage {
	readonly topic: string;
	readonly partition: number;
	record: SourceRecord = NO_RECORD;

	constructor({ topic, partition }: TopicPartition) {
		this.topic = topic;
		this.partition = partition;
	}

	get key(): Uint8Array | null {
		return this.record.key;
	}

	get value(): Uint8Array | null {
		return this.record.value;
	}

	get offset(): number {
		return this.record.offset;
	}
}

const NO_RECORD: SourceRecord = {
	key: null,
	value: null,
	offset: -1,
	headers: () => [],
	timestamp: () => -1,
};

/** A record that outlives its batch. */
export type RawRecord = Pick<
	DeadLetter,
	"topic" | "partition" | "offset" | "key" | "value" | "headers" | "timestampMs"
>;

/** What was fetched with the record is not kept for it. */
export function copyOf(message: RawMessage): RawRecord {
	const { topic, partition, offset, key, value, record } = message;
	return {
		topic,
		partition,
		offset: BigInt(offset),
		key: key?.slice() ?? null,
		value: value?.slice() ?? null,
		headers: (record?.headers() ?? []).map((header) => ({
			name: header.name,
			value: header.value?.slice() ?? null,
		})),
		timestampMs: record?.timestamp() ?? null,
	};
}
