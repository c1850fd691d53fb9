import type { Action } from "../delta/actions.ts";
import { commit } from "../delta/commit.ts";
import type { Engine } from "../delta/engine.ts";
import type { Plan } from "../delta/outcome.ts";
import {
	loadSnapshot,
	type NewCommit,
	refreshSnapshot,
	type Snapshot,
} from "../delta/snapshot.ts";
import { stageFiles, type TableLayout } from "../delta/stage.ts";
import { TributaryError } from "../errors.ts";
import { IndexMemory } from "../index/key-index.ts";
import { SHARD_TAG } from "../index/shard-tag.ts";
import { memoryDisks } from "../storage/memory-disk.ts";
import { DEFAULT_INDEX_MEMORY, type WriterConfig } from "./config.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { type DeadLetterTable, isText } from "./dead-letter-table.ts";
import { age, byAge } from "./letter-age.ts";
import { letterId } from "./letter-filter.ts";
import { judged, LetterRows, type Verdict } from "./letter-rows.ts";
import type { Route } from "./route.ts";
import { faultyRows } from "./row-faults.ts";
import { DEFAULT_SCHEMA, schemaRules } from "./schema-rules.ts";
import { demandsNewFiles, retyped } from "./table-layout.ts";
import { targetOf } from "./table-schema.ts";
import { addsRows, Mirror, type StagedUpsert } from "./upsert.ts";

/** A replay's `txn` in its table: nothing of it may come any more, or it is there. */
const VOID = 0;
const DONE = 1;

/** Tries to commit between two commits of live writers. */
const MOST_TRIES = 200;

export interface TableReplayOptions {
	readonly config: WriterConfig;
	readonly route: Route;
	readonly engine: Engine;
	readonly deadLetters: DeadLetterTable;
}

/**
 * Puts dead letters of one table into it. Three commits, each of which a crash may be before or after:
 * the letters are taken (`replaying`, with the replay's id); their rows are committed with the id as `txn`;
 * the letters are `replayed`. Whoever finds letters taken looks for the id in the table: it is there, or is
 * made void there, so that a replay which is slow, not dead, can't come after. So a row is written once.
 *
 * In a mirror nothing newer of a row may be overwritten: writers mark the letters of a key before they
 * commit a newer change of it, and the commit of a replay holds only as long as no writer's has moved
 * the partition since the marks were read.
 */
export class TableReplay {
	readonly #options: TableReplayOptions;
	readonly #mirror: Mirror | undefined;
	#snapshot: Snapshot | undefined;

	constructor(options: TableReplayOptions) {
		this.#options = options;
		this.#mirror =
			options.route.mode === "upsert"
				? new Mirror({
						engine: options.engine,
						softDeletes: options.config.deletes === "soft",
						memory: new IndexMemory(DEFAULT_INDEX_MEMORY),
						disk: memoryDisks(),
					})
				: undefined;
	}

	/** The table as it is now; `undefined` when there is none. */
	async refresh(): Promise<Snapshot | undefined> {
		const { engine } = this.#options;
		this.#snapshot =
			this.#snapshot === undefined
				? await loadSnapshot(engine)
				: await refreshSnapshot(engine, this.#snapshot);
		return this.#snapshot;
	}

	/** Brings replays of this table that were left half-done to their end; how many letters they had. */
	async recover(): Promise<number> {
		const ids = new Set<string>();
		let count = 0;
		const letters = await this.#deadLetters();
		if (letters === undefined) return 0;
		for await (const { replay } of this.#options.deadLetters.read(letters, {
			where: `${this.#ofTable} AND status = 'replaying'`,
			withoutRaw: true,
		})) {
			ids.add(replay ?? "");
			count++;
		}
		for (const id of ids) await this.#settle(id);
		return count;
	}

	/** What would become of these letters. */
	async judge(letters: readonly DeadLetter[]): Promise<Map<string, Verdict>> {
		const snapshot = await this.refresh();
		if (snapshot === undefined) return new Map();
		const { engine } = this.#options;
		const dry: Engine = {
			...engine,
			store: { ...engine.store, put: async () => {} },
		};
		const rows = await this.#decode(snapshot, letters, "");
		for (;;) {
			const { table } = this.#target(snapshot, rows);
			try {
				await stageFiles(dry, table, rows.changes.batch);
				return rows.verdicts;
			} catch (error) {
				await this.#setAside(error, rows, table);
			}
		}
	}

	/**
	 * Replays these letters, the oldest first, in one commit.
	 * @returns what became of those that this replay could take, by name
	 * @throws TributaryError COMMIT_CONFLICT when other writers were quicker each time; REPLAY_REFUSED when
	 * another replay took over; what storage throws. Nothing is lost: the next replay goes on from there.
	 */
	async run(letters: readonly DeadLetter[]): Promise<Map<string, Verdict>> {
		const { engine, deadLetters } = this.#options;
		const id = engine.uuid();
		const names = new Set(letters.map(letterId));
		const taken = await deadLetters.rewrite(
			(letter) =>
				letter.status === "open" && names.has(letterId(letter))
					? { ...letter, status: "replaying", replay: id }
					: undefined,
			{ where: `${this.#ofTable} AND status = 'open'` },
		);
		const verdicts = new Map<string, Verdict>();
		for (let tries = 0; taken > 0; tries++) {
			// The marks of all changes up to a position were there before the position was.
			const snapshot = await this.refresh();
			const mine = await this.#claimed(id);
			if (snapshot === undefined || mine.length === 0) break;
			const rows = await this.#decode(snapshot, mine, id);
			const committed = await this.#commit(id, snapshot, rows);
			for (const [name, verdict] of rows.verdicts) verdicts.set(name, verdict);
			if (committed === "committed") await this.#complete(id, true);
			if (committed !== "stale") break;
			if (tries >= MOST_TRIES)
				throw new TributaryError(
					"COMMIT_CONFLICT",
					`${engine.store.url}: writers were quicker ${tries} times in a row; replay again when there is less to write`,
					{ retryable: true },
				);
		}
		return verdicts;
	}

	get #ofTable(): string {
		return isText("target_table", this.#options.route.path);
	}

	async #deadLetters(): Promise<Snapshot | undefined> {
		return await this.#options.deadLetters.refresh();
	}

	async #claimed(id: string): Promise<DeadLetter[]> {
		const letters = await this.#deadLetters();
		const mine: DeadLetter[] = [];
		if (letters !== undefined)
			for await (const letter of this.#options.deadLetters.read(letters, {
				where: `${this.#ofTable} AND ${isText("replay_id", id)} AND status = 'replaying'`,
			}))
				mine.push(letter);
		return byAge(mine);
	}

	async #decode(
		snapshot: Snapshot,
		letters: readonly DeadLetter[],
		id: string,
	): Promise<LetterRows> {
		const { config, route, engine } = this.#options;
		const newest =
			route.mode === "upsert"
				? await this.#replayedKeys(snapshot, id)
				: new Map<string, DeadLetter>();
		return LetterRows.decode(letters, {
			config,
			route,
			snapshot,
			nowMs: engine.now(),
			isSuperseded: (letter) => {
				const other = newest.get(letter.rowKey ?? "");
				return other !== undefined && age(letter, other) < 0;
			},
		});
	}

	/** The newest letter of each row that replays have put into the table. */
	async #replayedKeys(
		snapshot: Snapshot,
		id: string,
	): Promise<Map<string, DeadLetter>> {
		const newest = new Map<string, DeadLetter>();
		const letters = await this.#deadLetters();
		if (letters === undefined) return newest;
		for await (const letter of this.#options.deadLetters.read(letters, {
			where: `${this.#ofTable} AND status IN ('replayed', 'replaying')`,
			withoutRaw: true,
		})) {
			const { rowKey, status, replay } = letter;
			if (rowKey === null || replay === id) continue;
			if (
				status === "replaying" &&
				snapshot.txns.get(this.#txn(replay ?? ""))?.version !== DONE
			)
				continue;
			const before = newest.get(rowKey);
			if (before === undefined || age(before, letter) < 0)
				newest.set(rowKey, letter);
		}
		return newest;
	}

	#target(snapshot: Snapshot, rows: LetterRows) {
		const { config, route, engine } = this.#options;
		return targetOf(snapshot, rows.changes.batch.schema, {
			known: rows.schema,
			rules: schemaRules(config.schema ?? DEFAULT_SCHEMA, route.source),
			uuid: engine.uuid,
		});
	}

	async #setAside(
		error: unknown,
		rows: LetterRows,
		table: TableLayout,
	): Promise<void> {
		const { engine, config } = this.#options;
		const faults = await faultyRows(error, rows.changes, {
			engine,
			table,
			storesDeleted: this.#mirror === undefined || config.deletes === "soft",
		});
		if (faults === undefined) throw error;
		rows.without(
			new Map(
				[...faults].map(([row, reason]) => [row, { kind: "failed", reason }]),
			),
		);
	}

	async #commit(
		id: string,
		base: Snapshot,
		rows: LetterRows,
	): Promise<"committed" | "nothing" | "stale"> {
		const { engine } = this.#options;
		let target = this.#target(base, rows);
		if (target.misfit !== undefined) return "stale";
		let upsert: StagedUpsert | undefined;
		let files: readonly Action[] = [];
		for (;;) {
			try {
				const { changes } = rows;
				if (this.#mirror === undefined)
					files = (await stageFiles(engine, target.table, changes.batch)).map(
						({ add }) => ({ add }),
					);
				else {
					const shards = Math.max(...shardsOf(base));
					if (shards > 0) this.#mirror.partitions = shards;
					const partitions = Int32Array.from(
						rows.rows,
						({ partition }) => partition,
					);
					upsert = await this.#mirror.stage(
						base,
						{ changes, partitions },
						target.table,
					);
					files = upsert.actions;
				}
				break;
			} catch (error) {
				await this.#setAside(error, rows, target.table);
				target = this.#target(base, rows);
			}
		}
		// From here on the replay has only letters whose rows it commits.
		await this.#release(id, rows.verdicts);
		if (rows.rows.length === 0) return "nothing";
		const outcome = await commit(engine, {
			base,
			plan: (snapshot, winners): Plan => {
				if (snapshot === undefined || snapshot.txns.has(this.#txn(id)))
					return { kind: "abandon", reason: "void" };
				if (this.#stale(base, snapshot, winners, rows, upsert))
					return { kind: "abandon", reason: "stale" };
				const same = snapshot.metadata === base.metadata;
				const now = same ? target : this.#target(snapshot, rows);
				if (
					!same &&
					(demandsNewFiles(snapshot) ||
						now.misfit !== undefined ||
						retyped(target.table, now.table))
				)
					return { kind: "abandon", reason: "stale" };
				return {
					kind: "commit",
					actions: [
						...now.actions,
						{
							txn: {
								appId: this.#txn(id),
								version: DONE,
								lastUpdated: engine.now(),
							},
						},
						...files,
					],
					info: {
						operation: upsert === undefined ? "WRITE" : "MERGE",
						operationParameters: { replay: id },
						isBlindAppend: upsert === undefined,
					},
				};
			},
		});
		this.#snapshot = outcome.snapshot ?? this.#snapshot;
		switch (outcome.kind) {
			case "committed":
				await upsert?.settle(outcome.snapshot);
				return "committed";
			case "abandoned":
				if (outcome.reason === "stale") return "stale";
				throw new TributaryError(
					"REPLAY_REFUSED",
					`${engine.store.url}: another replay of this table took over; run it again when that has ended`,
					{ retryable: true },
				);
			case "conflict":
				return "stale";
		}
	}

	/** Whether a mirror has moved since the marks of its letters were read. */
	#stale(
		base: Snapshot,
		snapshot: Snapshot,
		winners: readonly NewCommit[],
		rows: LetterRows,
		upsert: StagedUpsert | undefined,
	): boolean {
		return (
			upsert !== undefined &&
			(this.#watched(snapshot, rows).some(
				(position) =>
					snapshot.txns.get(position)?.version !==
					base.txns.get(position)?.version,
			) ||
				winners.some(addsRows) ||
				upsert.replaced.some((key) => !snapshot.files.has(key)))
		);
	}

	/**
	 * The positions whose writers may have newer changes of these rows: those of their own partitions, or
	 * all of them where keys have moved, with the number of partitions or with a topic that was made anew.
	 */
	#watched(snapshot: Snapshot, { rows }: LetterRows): readonly string[] {
		const own = new Set(rows.map(({ position }) => position));
		const positions = [...snapshot.txns.keys()].filter(
			(id) => !id.startsWith(this.#txn("")),
		);
		const topics = new Set([...positions, ...own].map(topicOf));
		return topics.size > 1 || shardsOf(snapshot).size > 1
			? positions
			: [...own];
	}

	/** Gives letters back that are not committed, with what was found. */
	async #release(
		id: string,
		verdicts: ReadonlyMap<string, Verdict>,
	): Promise<void> {
		const { engine, deadLetters } = this.#options;
		if ([...verdicts.values()].every(({ kind }) => kind === "row")) return;
		const now = engine.now();
		await deadLetters.rewrite(
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

	/** Finds out whether a replay's rows are in the table; if not, they never will be. */
	async #settle(id: string): Promise<void> {
		const { engine } = this.#options;
		const appId = this.#txn(id);
		for (;;) {
			const snapshot = await this.refresh();
			const found = snapshot?.txns.get(appId)?.version;
			if (snapshot === undefined || found !== undefined) {
				await this.#complete(id, found === DONE);
				return;
			}
			await commit(engine, {
				base: snapshot,
				plan: (newest): Plan =>
					newest === undefined || newest.txns.has(appId)
						? { kind: "abandon", reason: "settled" }
						: {
								kind: "commit",
								actions: [
									{ txn: { appId, version: VOID, lastUpdated: engine.now() } },
								],
								info: {
									operation: "WRITE",
									operationParameters: { endsReplay: id },
									isBlindAppend: true,
								},
							},
			});
		}
	}

	/** The letters of a replay that has ended: they are in the table, or open again. */
	async #complete(id: string, done: boolean): Promise<void> {
		const { engine, deadLetters } = this.#options;
		const now = engine.now();
		const newest = new Map<string, DeadLetter>();
		if (done && this.#mirror !== undefined)
			for (const letter of await this.#claimed(id))
				if (letter.rowKey !== null) newest.set(letter.rowKey, letter);
		await deadLetters.rewrite(
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

	#txn(id: string): string {
		return `tributary/${this.#options.config.pipeline}/replay/${id}`;
	}
}

/** How many partitions the topic has had, by what the files of its shards say. */
function shardsOf(snapshot: Snapshot): ReadonlySet<number> {
	const counts = new Set<number>();
	for (const { tags } of snapshot.files.values()) {
		const of = tags?.[SHARD_TAG]?.split("/")[1];
		if (of !== undefined) counts.add(Number(of));
	}
	return counts;
}

/** A position without its partition. */
function topicOf(position: string): string {
	return position.slice(0, position.lastIndexOf("/"));
}
