import type { ChangeBatch } from "../change/change.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { RawRecord } from "./raw-message.ts";
import { headOfText, keyHead, keyText, letterKeys } from "./row-key.ts";
import type { TopicPartition } from "./source.ts";

/** The dead letters of a batch of rows. */
export interface RefusedBatch {
	passed: PassedLetter[];
	readonly raw: readonly (RawRecord | undefined)[];
	readonly truncated: boolean;
	/** What each row's number was before rows were set aside. */
	order: Int32Array | undefined;
	/** The newest letter of each partition, by `txn`, when the batch was read: its own come after these. */
	positions: ReadonlyMap<string, number | undefined>;
	readonly resets: number;
	/** Its rows were held against the letters of batches before. */
	compared: boolean;
	/** Heads of the keys of open letters, as long as nothing was reset. */
	readonly open: Set<number>;
}

/** A dead letter between the rows of a batch; `whole` unless it is in the table of dead letters already. */
export interface PassedLetter {
	/** Rows of the batch that came before it. */
	readonly before: number;
	readonly letter: Pick<DeadLetter, "partition" | "offset"> & {
		readonly whole?: DeadLetter;
	};
	/** `undefined` as long as it was not looked for. */
	rowKey: string | null | undefined;
	/** A newer change of its row is in the batch, or one of all rows. */
	superseded: boolean;
}

/** Why a record is no row. */
export interface Reason {
	readonly code: string;
	readonly message: string;
}

/** The letters that a batch makes useless. */
export interface Superseded {
	/** Keys of rows that have open letters from before the batch. */
	readonly rowKeys: ReadonlySet<string>;
	/** By `partition/offset`: letters that the batch came past once more, and whether a newer change of the row follows. */
	readonly again: ReadonlyMap<string, boolean>;
	/** The source has emptied the table. */
	readonly all: boolean;
}

/**
 * Holds the rows of a batch against the letters before them, and marks those of the batch itself that a
 * later row makes useless; `undefined` where no letter is known that has to be marked in their table.
 */
export function supersededBy(
	batch: RefusedBatch,
	changes: ChangeBatch,
): Superseded | undefined {
	const { passed, order } = batch;
	// A batch that is tried again has letters of its own among the open ones, behind its rows.
	const before = batch.compared ? NO_KEYS : batch.open;
	const truncated = batch.truncated && !batch.compared;
	const keyed = passed.filter(({ rowKey }) => typeof rowKey === "string");
	if (!truncated && before.size === 0 && keyed.length === 0) return undefined;
	const hits = new Set<string>();
	const heads = new Set(keyed.map(({ rowKey }) => headOfText(rowKey ?? "")));
	const keys = letterKeys(changes.batch, changes.keyColumns);
	for (let row = 0; row < keys.length; row++) {
		const head = keyHead(keys, row);
		const open = before.has(head);
		if (!open && !heads.has(head)) continue;
		const text = keyText(keys, row);
		if (text === null) continue;
		if (open) hits.add(text);
		const at = order?.[row] ?? row;
		for (const one of keyed)
			if (one.rowKey === text && at >= one.before) one.superseded = true;
	}
	const here = new Map(
		passed
			.filter(({ letter }) => letter.whole === undefined)
			.map(({ letter, superseded }) => [placeOf(letter), superseded]),
	);
	if (!truncated && hits.size === 0 && ![...here.values()].includes(true))
		return undefined;
	return { rowKeys: hits, again: here, all: truncated };
}

export function placeOf({
	partition,
	offset,
}: Pick<TopicPartition, "partition"> & { readonly offset: bigint }): string {
	return `${partition}/${offset}`;
}

const NO_KEYS: ReadonlySet<number> = new Set();
