import type { ChangeBatch } from "../change/change.ts";
import { take } from "../columnar/batch.ts";
import type { StructType } from "../columnar/types.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import type { WriterConfig } from "./config.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { letterId } from "./letter-filter.ts";
import type { Reason } from "./refused-batch.ts";
import type { Route } from "./route.ts";
import { keyText, letterKeys } from "./row-key.ts";
import { decoderFor } from "./table-layout.ts";

/** What becomes of a letter that a replay has taken. */
export type Verdict =
	/** Its row is to be written. */
	| { readonly kind: "row" }
	/** By today's rules it says nothing to the table. */
	| { readonly kind: "nothing" }
	/** A mirror has a newer change of its row, or gets one now. */
	| { readonly kind: "superseded" }
	/** Nobody knows whether a mirror has a newer change of its row. */
	| { readonly kind: "unordered" }
	| { readonly kind: "failed"; readonly reason: Reason };

/** Letters as rows of their table, under the rules of now. */
export class LetterRows {
	/** Of letters, in the order of `rows`. */
	changes: ChangeBatch;
	rows: readonly DeadLetter[];
	/** By the letter's id. */
	readonly verdicts: Map<string, Verdict>;
	/** Of the table as it was when they were decoded. */
	readonly schema: StructType;

	private constructor(
		changes: ChangeBatch,
		rows: readonly DeadLetter[],
		verdicts: Map<string, Verdict>,
		schema: StructType,
	) {
		this.schema = schema;
		this.changes = changes;
		this.rows = rows;
		this.verdicts = verdicts;
	}

	/** Letters of one table, the oldest first; `newer` are those of the same rows that the table has. */
	static decode(
		letters: readonly DeadLetter[],
		options: {
			readonly config: WriterConfig;
			readonly route: Route;
			readonly snapshot: Snapshot;
			readonly nowMs: number;
			readonly isSuperseded: (letter: DeadLetter) => boolean;
		},
	): LetterRows {
		const { config, route, snapshot, nowMs } = options;
		const verdicts = new Map<string, Verdict>();
		const judge = (letter: DeadLetter, verdict: Verdict): void => {
			verdicts.set(letterId(letter), verdict);
		};
		const decoder = decoderFor(config, route, snapshot);
		const rows: DeadLetter[] = [];
		for (const letter of letters) {
			if (options.isSuperseded(letter)) {
				judge(letter, { kind: "superseded" });
				continue;
			}
			const decoded = decoder.decode(messageOf(letter));
			switch (decoded.kind) {
				case "row":
					judge(letter, { kind: "row" });
					rows.push(letter);
					break;
				case "skip":
					if (decoded.reason === "truncate" && route.mode === "upsert") {
						// The decoder has forgotten what it had.
						const rest = LetterRows.decode(
							letters.filter((other) => other !== letter),
							options,
						);
						const id = letterId(letter);
						rest.verdicts.set(id, { kind: "failed", reason: TRUNCATE });
						return rest;
					}
					judge(letter, { kind: "nothing" });
					break;
				case "dead-letter":
					judge(letter, { kind: "failed", reason: decoded });
			}
		}
		const found = new LetterRows(
			decoder.finish(nowMs),
			rows,
			verdicts,
			snapshot.schema,
		);
		if (route.mode === "upsert") found.#order();
		return found;
	}

	/** Takes rows out, each with what becomes of its letter. */
	without(verdicts: ReadonlyMap<number, Verdict>): void {
		const kept = Int32Array.from(
			{ length: this.rows.length },
			(_, row) => row,
		).filter((row) => !verdicts.has(row));
		for (const [row, verdict] of verdicts) {
			const letter = this.rows[row];
			if (letter !== undefined) this.verdicts.set(letterId(letter), verdict);
		}
		const { batch, deleted } = this.changes;
		this.changes = {
			...this.changes,
			batch: take(batch, kept),
			deleted: Uint8Array.from(kept, (row) => deleted[row] as number),
		};
		this.rows = Array.from(kept, (row) => this.rows[row] as DeadLetter);
	}

	/** Of several changes of one row the newest counts; all have to be of the row that writers took them for. */
	#order(): void {
		const { batch, keyColumns } = this.changes;
		const keys = letterKeys(batch, keyColumns);
		const out = new Map<number, Verdict>();
		const newest = new Map<string, number>();
		for (const [row, { rowKey }] of this.rows.entries()) {
			const text = keyText(keys, row);
			if (text === null || text !== rowKey) {
				out.set(row, { kind: "unordered" });
				continue;
			}
			const before = newest.get(text);
			if (before !== undefined) out.set(before, { kind: "superseded" });
			newest.set(text, row);
		}
		if (out.size > 0) this.without(out);
	}
}

const TRUNCATE: Reason = {
	code: "REPLAY_REFUSED",
	message:
		"the record empties the table, which would take away what came after it: delete the rows by hand if they have to go, and purge this letter",
};

function messageOf({ key, value, topic, partition, offset }: DeadLetter) {
	return { key, value, topic, partition, offset: Number(offset) };
}

/** A letter that a replay gives back, with what was found; `undefined` for one whose row it commits. */
export function judged(
	letter: DeadLetter,
	verdict: Verdict,
	now: number,
): DeadLetter | undefined {
	const tried = { ...letter, lastTryMs: now, tries: letter.tries + 1 };
	switch (verdict.kind) {
		case "row":
			return undefined;
		case "nothing":
			return { ...tried, status: "replayed" };
		case "superseded":
			return { ...letter, status: "superseded", replay: null };
		case "unordered":
			return { ...letter, status: "open", replay: null };
		case "failed":
			return {
				...tried,
				status: "open",
				replay: null,
				code: verdict.reason.code,
				message: verdict.reason.message,
			};
	}
}
