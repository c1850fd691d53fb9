import type { Action } from "../delta/actions.ts";
import { commit } from "../delta/commit.ts";
import { dryEngine, type Engine } from "../delta/engine.ts";
import type { Plan } from "../delta/outcome.ts";
import {
	loadSnapshot,
	refreshSnapshot,
	type Snapshot,
} from "../delta/snapshot.ts";
import { stageFiles, type TableLayout } from "../delta/stage.ts";
import { TributaryError } from "../errors.ts";
import { IndexMemory } from "../index/key-index.ts";
import { memoryDisks } from "../storage/memory-disk.ts";
import { DEFAULT_INDEX_MEMORY, type WriterConfig } from "./config.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { DeadLetterTable } from "./dead-letter-table.ts";
import { age } from "./letter-age.ts";
import { LetterRows, type Verdict } from "./letter-rows.ts";
import { hasMoved, partitionCounts } from "./mirror-moves.ts";
import { ReplayLetters } from "./replay-letters.ts";
import type { Route } from "./route.ts";
import { faultyRows } from "./row-faults.ts";
import { DEFAULT_SCHEMA, schemaRules } from "./schema-rules.ts";
import { demandsNewFiles, retyped } from "./table-layout.ts";
import { targetOf } from "./table-schema.ts";
import { Mirror, type StagedUpsert } from "./upsert.ts";

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
	readonly #letters: ReplayLetters;
	#snapshot: Snapshot | undefined;

	constructor(options: TableReplayOptions) {
		this.#options = options;
		this.#letters = new ReplayLetters({
			deadLetters: options.deadLetters,
			table: options.route.path,
			now: options.engine.now,
		});
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
		const { ids, count } = await this.#letters.unended();
		for (const id of ids) await this.#settle(id);
		return count;
	}

	/** What would become of these letters. */
	async judge(letters: readonly DeadLetter[]): Promise<Map<string, Verdict>> {
		const snapshot = await this.refresh();
		if (snapshot === undefined) return new Map();
		const { engine } = this.#options;
		const dry = dryEngine(engine);
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
		const { engine } = this.#options;
		const id = engine.uuid();
		const taken = await this.#letters.take(letters, id);
		const verdicts = new Map<string, Verdict>();
		for (let tries = 0; taken > 0; tries++) {
			// The marks of all changes up to a position were there before the position was.
			const snapshot = await this.refresh();
			const mine = await this.#letters.taken(id);
			if (snapshot === undefined || mine.length === 0) break;
			const rows = await this.#decode(snapshot, mine, id);
			const committed = await this.#commit(id, snapshot, rows);
			for (const [name, verdict] of rows.verdicts) verdicts.set(name, verdict);
			if (committed === "committed") await this.#end(id, true);
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

	async #decode(
		snapshot: Snapshot,
		letters: readonly DeadLetter[],
		id: string,
	): Promise<LetterRows> {
		const { config, route, engine } = this.#options;
		const newest =
			route.mode === "upsert"
				? await this.#letters.newestReplayed(
						id,
						(other) => snapshot.txns.get(this.#txn(other))?.version === DONE,
					)
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
					const shards = Math.max(...partitionCounts(base));
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
		await this.#letters.release(id, rows.verdicts);
		if (rows.rows.length === 0) return "nothing";
		const outcome = await commit(engine, {
			base,
			plan: (snapshot, winners): Plan => {
				if (snapshot === undefined || snapshot.txns.has(this.#txn(id)))
					return { kind: "abandon", reason: "void" };
				if (
					upsert !== undefined &&
					hasMoved(base, snapshot, {
						winners,
						letters: rows.rows,
						upsert,
						isReplay: (appId) => appId.startsWith(this.#txn("")),
					})
				)
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

	/** Finds out whether a replay's rows are in the table; if not, they never will be. */
	async #settle(id: string): Promise<void> {
		const { engine } = this.#options;
		const appId = this.#txn(id);
		for (;;) {
			const snapshot = await this.refresh();
			const found = snapshot?.txns.get(appId)?.version;
			if (snapshot === undefined || found !== undefined) {
				await this.#end(id, found === DONE);
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

	#end(id: string, done: boolean): Promise<void> {
		return this.#letters.end(id, { done, mirror: this.#mirror !== undefined });
	}

	#txn(id: string): string {
		return `tributary/${this.#options.config.pipeline}/replay/${id}`;
	}
}
