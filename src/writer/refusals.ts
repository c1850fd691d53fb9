import type { ChangeBatch, ChangeMessage } from "../change/change.ts";
import { take } from "../columnar/batch.ts";
import type { StructType } from "../columnar/types.ts";
import type { Engine } from "../delta/engine.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import type { SourceType } from "../resource/cdc-pipeline.ts";
import type { DeadLetter } from "./dead-letter.ts";
import {
	type DeadLetterTable,
	isText,
	letterTxn,
} from "./dead-letter-table.ts";
import { copyOf, type RawMessage, type RawRecord } from "./raw-message.ts";
import {
	type PassedLetter,
	placeOf,
	type Reason,
	type RefusedBatch,
	supersededBy,
} from "./refused-batch.ts";
import { headOfText, keyOfRecord, keyText, letterKeys } from "./row-key.ts";

export interface RefusalsOptions {
	readonly deadLetters: DeadLetterTable;
	readonly engine: Pick<Engine, "now">;
	/** The table's folder below the location. */
	readonly table: string;
	/** The table is a mirror: letters are told to be of the same row by its key. */
	readonly mirror: boolean;
	readonly source: SourceType;
	readonly position: (partition: number) => string;
	/** Told of letters once they are kept. */
	readonly onKept?: ((letters: readonly DeadLetter[]) => void) | undefined;
	/** Told how many letters a newer change has made useless. */
	readonly onSuperseded?: ((count: number) => void) | undefined;
}

/**
 * The records that a table's writer could not make rows of. They are kept before the offsets behind
 * them are committed: what is kept stays a dead letter when it is read again, whatever the rules are by
 * then, so that a record is a row or a dead letter, and never both or neither.
 */
export class Refusals {
	/** Whether the raw records of rows are at hand until they are committed. */
	keepsRaw = false;
	readonly #options: RefusalsOptions;
	#passed: PassedLetter[] = [];
	#raw: (RawRecord | undefined)[] = [];
	#truncated = false;
	#bytes = 0;
	/** Letters behind the committed offset, by `partition/offset`, with their row's key. */
	readonly #known = new Map<string, string | null>();
	/** Of mirrors: heads of the keys of open letters. */
	#open = new Set<number>();
	/** The newest letter of each partition, by `txn`. */
	#positions = new Map<string, number | undefined>();
	#resets = 0;

	constructor(options: RefusalsOptions) {
		this.#options = options;
	}

	/** Dead letters that wait for the next commit. */
	get count(): number {
		return this.#passed.length;
	}

	/** Of what is kept of records, besides their rows. */
	get bytes(): number {
		return this.#bytes;
	}

	/** Learns which records of a partition are dead letters; after its committed offset was read. */
	async load(partition: number, committed: number): Promise<void> {
		const { deadLetters, table, mirror } = this.#options;
		const position = this.#options.position(partition);
		const id = letterTxn(position, table);
		if (this.#positions.has(id)) return;
		const resets = this.#resets;
		const snapshot = await deadLetters.refresh();
		const version = snapshot?.txns.get(id)?.version;
		const found: Pick<DeadLetter, "position" | "offset" | "rowKey">[] = [];
		const conditions = [
			...(committed < (version ?? -1)
				? [`(${isText("position", position)} AND offset > ${committed})`]
				: []),
			// A row's key may have been in another partition, or in a topic that was made anew.
			...(mirror && snapshot !== undefined && hasLetters(snapshot, table)
				? ["status IN ('open', 'replaying')"]
				: []),
		];
		if (snapshot !== undefined && conditions.length > 0)
			for await (const letter of deadLetters.read(snapshot, {
				where: `${isText("target_table", table)} AND (${conditions.join(" OR ")})`,
				withoutRaw: true,
			}))
				found.push(letter);
		if (resets !== this.#resets || this.#positions.has(id)) return;
		this.#positions.set(id, version);
		for (const letter of found)
			if (letter.position === position && letter.offset > committed)
				this.#known.set(`${partition}/${letter.offset}`, letter.rowKey);
			else if (letter.rowKey !== null)
				this.#open.add(headOfText(letter.rowKey));
	}

	/** Whether the record is a dead letter already; it is passed by then. `rows` came before it. */
	pass({ partition, offset }: ChangeMessage, rows: number): boolean {
		if (this.#known.size === 0) return false;
		const place = `${partition}/${offset}`;
		const rowKey = this.#known.get(place);
		if (rowKey === undefined) return false;
		this.#known.delete(place);
		this.#passed.push({
			before: rows,
			letter: { partition, offset: BigInt(offset) },
			rowKey,
			superseded: false,
		});
		return true;
	}

	/** Remembers the record of a row. */
	note(row: number, message: RawMessage): void {
		this.#raw[row] = copyOf(message);
		this.#bytes += message.value?.length ?? 0;
	}

	/** A record that can't be decoded, behind so many rows. */
	add(message: RawMessage, reason: Reason, rows: number): void {
		const whole = this.#letter(copyOf(message), reason);
		this.#passed.push({
			before: rows,
			letter: { ...whole, whole },
			rowKey: undefined,
			superseded: false,
		});
		this.#bytes += (message.value?.length ?? 0) + (message.key?.length ?? 0);
	}

	/** The source has emptied the table: whatever came before is of no use. */
	truncate(): void {
		for (const one of this.#passed) one.superseded = true;
		this.#raw = [];
		this.#truncated = true;
	}

	/** Hands over what belongs to the rows so far. */
	take(): RefusedBatch {
		const taken = {
			passed: this.#passed,
			raw: this.#raw,
			truncated: this.#truncated,
			order: undefined,
			positions: new Map(this.#positions),
			resets: this.#resets,
			compared: false,
			open: this.#open,
		};
		this.#passed = [];
		this.#raw = [];
		this.#truncated = false;
		this.#bytes = 0;
		return taken;
	}

	/**
	 * Makes rows of a batch dead letters.
	 * @returns the batch without them and their positions, or `undefined` when their records are not at hand
	 */
	setAside(
		batch: RefusedBatch,
		changes: ChangeBatch,
		reasons: ReadonlyMap<number, Reason>,
	): { changes: ChangeBatch; kept: Int32Array } | undefined {
		const order =
			batch.order ??
			Int32Array.from({ length: changes.batch.length }, (_, row) => row);
		const keys = this.#options.mirror
			? letterKeys(changes.batch, changes.keyColumns)
			: undefined;
		const passed: PassedLetter[] = [];
		for (const [row, reason] of reasons) {
			const before = order[row] as number;
			const record = batch.raw[before];
			if (record === undefined) return undefined;
			const whole = this.#letter(record, reason);
			passed.push({
				before,
				letter: { ...whole, whole },
				rowKey: keys === undefined ? null : keyText(keys, row),
				superseded: false,
			});
		}
		batch.passed.push(...passed);
		const kept = Int32Array.from({ length: order.length }, (_, i) => i).filter(
			(row) => !reasons.has(row),
		);
		batch.order = kept.map((row) => order[row] as number);
		return {
			changes: {
				...changes,
				batch: take(changes.batch, kept),
				deleted: Uint8Array.from(kept, (row) => changes.deleted[row] as number),
			},
			kept,
		};
	}

	/**
	 * Keeps the dead letters of a batch whose rows are about to be committed, and marks those that its rows
	 * make useless. What is marked twice, or marked without its batch, is none the worse for it: the newer
	 * change is in Kafka.
	 * @returns false when another writer of the partition went further
	 */
	async keep(
		batch: RefusedBatch,
		changes: ChangeBatch,
		tableSchema: StructType | undefined,
	): Promise<boolean> {
		const { mirror, source } = this.#options;
		for (const one of batch.passed)
			one.rowKey ??=
				mirror && one.letter.whole !== undefined
					? keyOfRecord(one.letter.whole, { source, tableSchema })
					: null;
		if (mirror) await this.#supersede(batch, changes);
		batch.compared = true;
		const fresh = batch.passed.flatMap(
			({ letter: { whole }, rowKey = null, superseded }): DeadLetter[] =>
				whole === undefined
					? []
					: [{ ...whole, rowKey, status: superseded ? "superseded" : "open" }],
		);
		if (fresh.length > 0) {
			const next = await this.#options.deadLetters.append(
				fresh,
				batch.positions,
			);
			if (next === undefined) return false;
			batch.positions = new Map([...batch.positions, ...next]);
			// After a reset they are read from the table.
			if (batch.resets === this.#resets)
				this.#positions = new Map([...this.#positions, ...next]);
			this.#options.onKept?.(fresh);
		}
		for (const { rowKey, superseded } of batch.passed)
			if (typeof rowKey === "string" && !superseded)
				batch.open.add(headOfText(rowKey));
		batch.passed = [];
		return true;
	}

	reset(): void {
		this.#resets++;
		this.#passed = [];
		this.#raw = [];
		this.#truncated = false;
		this.#bytes = 0;
		this.#known.clear();
		this.#open = new Set();
		this.#positions.clear();
	}

	/** Marks the letters that were kept before and that the batch makes useless. */
	async #supersede(batch: RefusedBatch, changes: ChangeBatch): Promise<void> {
		const found = supersededBy(batch, changes);
		if (found === undefined) return;
		const { rowKeys, again, all } = found;
		const { deadLetters, table, position, onSuperseded } = this.#options;
		const stands = (letter: DeadLetter): boolean | undefined =>
			letter.position === position(letter.partition)
				? again.get(placeOf(letter))
				: undefined;
		const count = await deadLetters.rewrite(
			(letter) =>
				(stands(letter) ??
				(all || (letter.rowKey !== null && rowKeys.has(letter.rowKey))))
					? { ...letter, status: "superseded" }
					: undefined,
			{
				where: `${isText("target_table", table)} AND status IN ('open', 'replaying')`,
			},
		);
		if (count > 0) onSuperseded?.(count);
		for (const text of rowKeys) batch.open.delete(headOfText(text));
		if (all) batch.open.clear();
	}

	#letter(record: RawRecord, { code, message }: Reason): DeadLetter {
		const now = this.#options.engine.now();
		return {
			...record,
			table: this.#options.table,
			position: this.#options.position(record.partition),
			code,
			message,
			firstTryMs: now,
			lastTryMs: now,
			tries: 1,
			status: "open",
			replay: null,
			rowKey: null,
		};
	}
}

/** Whether the table ever had a dead letter. */
function hasLetters(letters: Snapshot, table: string): boolean {
	const end = letterTxn("", table);
	return [...letters.txns.keys()].some((id) => id.endsWith(end));
}
