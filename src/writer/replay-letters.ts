import type { DeadLetter } from "./dead-letter.ts";
import { type DeadLetterTable, isText } from "./dead-letter-table.ts";
import { age, byAge } from "./letter-age.ts";
import { letterId } from "./letter-filter.ts";
import { judged, type Verdict } from "./letter-rows.ts";

/**
 * The dead letters of one table, as replays take them and give them back: a letter that is `replaying`
 * is the one replay's whose id it has, and nobody else touches it until that replay has ended.
 */
export class ReplayLetters {
	readonly #deadLetters: DeadLetterTable;
	/** Of the table, in SQL. */
	readonly #ofTable: string;
	readonly #now: () => number;

	constructor(options: {
		readonly deadLetters: DeadLetterTable;
		/** The table's folder below the location. */
		readonly table: string;
		readonly now: () => number;
	}) {
		this.#deadLetters = options.deadLetters;
		this.#ofTable = isText("target_table", options.table);
		this.#now = options.now;
	}

	/** Takes those of these letters that are open for a replay; how many. */
	take(letters: readonly DeadLetter[], id: string): Promise<number> {
		const names = new Set(letters.map(letterId));
		return this.#deadLetters.rewrite(
			(letter) =>
				letter.status === "open" && names.has(letterId(letter))
					? { ...letter, status: "replaying", replay: id }
					: undefined,
			{ where: `${this.#ofTable} AND status = 'open'` },
		);
	}

	/** What a replay has taken, the oldest first. */
	async taken(id: string): Promise<DeadLetter[]> {
		const letters = await this.#deadLetters.refresh();
		const mine: DeadLetter[] = [];
		if (letters !== undefined)
			for await (const letter of this.#deadLetters.read(letters, {
				where: `${this.#ofTable} AND ${isText("replay_id", id)} AND status = 'replaying'`,
			}))
				mine.push(letter);
		return byAge(mine);
	}

	/** Replays that have not ended, and how many letters they have. */
	async unended(): Promise<{
		readonly ids: ReadonlySet<string>;
		readonly count: number;
	}> {
		const ids = new Set<string>();
		let count = 0;
		const letters = await this.#deadLetters.refresh();
		if (letters !== undefined)
			for await (const { replay } of this.#deadLetters.read(letters, {
				where: `${this.#ofTable} AND status = 'replaying'`,
				withoutRaw: true,
			})) {
				ids.add(replay ?? "");
				count++;
			}
		return { ids, count };
	}

	/** The newest letter of each row that other replays than this have put into the table. */
	async newestReplayed(
		id: string,
		isDone: (replay: string) => boolean,
	): Promise<Map<string, DeadLetter>> {
		const newest = new Map<string, DeadLetter>();
		const letters = await this.#deadLetters.refresh();
		if (letters === undefined) return newest;
		for await (const letter of this.#deadLetters.read(letters, {
			where: `${this.#ofTable} AND status IN ('replayed', 'replaying')`,
			withoutRaw: true,
		})) {
			const { rowKey, status, replay } = letter;
			if (rowKey === null || replay === id) continue;
			if (status === "replaying" && !isDone(replay ?? "")) continue;
			const before = newest.get(rowKey);
			if (before === undefined || age(before, letter) < 0)
				newest.set(rowKey, letter);
		}
		return newest;
	}

	/** Gives letters back that are not committed, with what was found. */
	async release(
		id: string,
		verdicts: ReadonlyMap<string, Verdict>,
	): Promise<void> {
		if ([...verdicts.values()].every(({ kind }) => kind === "row")) return;
		const now = this.#now();
		await this.#deadLetters.rewrite(
			(letter) => {
				const verdict = verdicts.get(letterId(letter));
				if (verdict === undefined) return undefined;
				if (letter.replay !== id || letter.status !== "replaying")
					return undefined;
				return judged(letter, verdict, now);
			},
			{ where: `${this.#ofTable} AND ${isText("replay_id", id)}` },
		);
	}

	/**
	 * Ends a replay: its letters are in the table when it is `done`, else open again. In a mirror those that
	 * are in it supersede the open letters of their rows that are older.
	 */
	async end(
		id: string,
		{ done, mirror }: { readonly done: boolean; readonly mirror: boolean },
	): Promise<void> {
		const now = this.#now();
		const newest = new Map<string, DeadLetter>();
		if (done && mirror)
			for (const letter of await this.taken(id))
				if (letter.rowKey !== null) newest.set(letter.rowKey, letter);
		await this.#deadLetters.rewrite(
			(letter) => {
				if (letter.replay === id && letter.status === "replaying")
					return done
						? {
								...letter,
								status: "replayed",
								lastTryMs: now,
								tries: letter.tries + 1,
							}
						: { ...letter, status: "open", replay: null };
				const other = newest.get(letter.rowKey ?? "");
				return letter.status === "open" &&
					other !== undefined &&
					age(letter, other) < 0
					? { ...letter, status: "superseded" }
					: undefined;
			},
			{
				where: `${this.#ofTable} AND (${isText("replay_id", id)}${newest.size > 0 ? " OR status = 'open'" : ""})`,
			},
		);
	}
}
