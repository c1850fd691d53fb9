import {
	endsAborted,
	int64,
	isMessageSet,
	type RecordBatch,
	recordBatches,
} from "./record-batch.ts";

/*
 * Fetch response, versions 4 to 11, integers big-endian, arrays with an int32 count before them:
 *
 *   throttle_time_ms int32, from 7 on error_code int16 and session_id int32,
 *   topics [name int16 length and bytes,
 *     partitions [index int32, error_code int16, high_watermark int64, last_stable_offset int64,
 *       from 5 on log_start_offset int64,
 *       aborted_transactions (count -1: none) [producer_id int64, first_offset int64],
 *       from 11 on preferred_read_replica int32,
 *       records int32 length and record batches]]
 */
export const FIRST_VERSION = 4;
export const LAST_VERSION = 11;

/** An answer in the shape that kafkajs goes on with; 64-bit integers are texts there. */
export interface FetchResponse {
	readonly throttleTime: number;
	readonly clientSideThrottleTime: number | undefined;
	readonly errorCode: number;
	readonly sessionId: number;
	readonly responses: readonly {
		readonly topicName: string;
		readonly partitions: readonly FetchedPartition[];
	}[];
}

interface FetchedPartition {
	readonly partition: number;
	readonly errorCode: number;
	readonly highWatermark: string;
	readonly lastStableOffset: string;
	readonly abortedTransactions: readonly [];
	readonly preferredReadReplica: number;
	readonly messages: readonly BatchMessage[];
}

/** A whole record batch, which kafkajs takes for the message at its last offset. */
export interface BatchMessage {
	readonly offset: string;
	/** That there is nothing to read in it. */
	readonly isControlRecord: boolean;
	readonly recordBatch: RecordBatch;
	/** Ends the use of the answer's bytes by the partition that the batch is of; to be called once. */
	readonly release: () => void;
}

/**
 * Finds the record batches of an answer, and marks those of aborted transactions. `giveBack` is called
 * when all partitions that have batches have ended their use of its bytes.
 * @returns `undefined` when a partition has message sets, from before Kafka 0.11
 * @throws RangeError when the answer is cut off
 */
export function parseFetch(
	answer: Buffer,
	version: number,
	giveBack: () => void = () => {},
): FetchResponse | undefined {
	let at = 0;
	let readers = 0;
	const release = (): void => {
		if (--readers === 0) giveBack();
	};
	let legacy = false;
	const int32 = (): number => take(4).readInt32BE();
	const int16 = (): number => take(2).readInt16BE();
	const int64Text = (): string => String(take(8).readBigInt64BE());
	const take = (length: number): Buffer => {
		const part = answer.subarray(at, at + length);
		if (part.length < length)
			throw new RangeError(`${length} bytes are missing at ${at}`);
		at += length;
		return part;
	};
	const many = <T>(count: number, one: () => T): T[] =>
		Array.from({ length: Math.max(0, count) }, one);
	const partition = (): FetchedPartition => {
		const index = int32();
		const errorCode = int16();
		const highWatermark = int64Text();
		const lastStableOffset = int64Text();
		if (version >= 5) take(8);
		const aborted = many(int32(), () => ({
			producerId: take(8).readBigInt64BE(),
			firstOffset: int64(take(8), 0),
		}));
		const preferredReadReplica = version >= 11 ? int32() : -1;
		const records = take(Math.max(0, int32()));
		if (isMessageSet(records)) legacy = true;
		const batches = legacy ? [] : recordBatches(records);
		if (batches.length > 0) readers++;
		return {
			partition: index,
			errorCode,
			highWatermark,
			lastStableOffset,
			abortedTransactions: [],
			preferredReadReplica,
			messages: messagesOf(batches, aborted, release),
		};
	};
	const throttle = int32();
	const errorCode = version >= 7 ? int16() : 0;
	const sessionId = version >= 7 ? int32() : 0;
	const responses = many(int32(), () => ({
		topicName: take(int16()).toString("utf8"),
		partitions: many(int32(), partition),
	}));
	if (legacy) return undefined;
	return {
		// From version 8 on the client waits, not the broker (KIP-219).
		throttleTime: version >= 8 ? 0 : throttle,
		clientSideThrottleTime: version >= 8 ? throttle : undefined,
		errorCode,
		sessionId,
		responses,
	};
}

interface AbortedTransaction {
	readonly producerId: bigint;
	readonly firstOffset: number;
}

/** Batches of a producer are aborted from the transaction's first offset to its marker. */
function messagesOf(
	batches: readonly RecordBatch[],
	transactions: readonly AbortedTransaction[],
	release: () => void,
): BatchMessage[] {
	const coming = [...transactions].sort(
		(a, b) => a.firstOffset - b.firstOffset,
	);
	const aborting = new Set<bigint>();
	return batches.map((recordBatch) => {
		const { lastOffset, producerId, control, transactional } = recordBatch;
		while ((coming[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= lastOffset)
			aborting.add((coming.shift() as AbortedTransaction).producerId);
		if (endsAborted(recordBatch)) aborting.delete(producerId);
		return {
			offset: String(lastOffset),
			isControlRecord: control || (transactional && aborting.has(producerId)),
			recordBatch,
			release,
		};
	});
}
