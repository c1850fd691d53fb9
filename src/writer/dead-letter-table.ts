import { commit } from "../delta/commit.ts";
import type { Engine } from "../delta/engine.ts";
import { newLayout } from "../delta/evolve.ts";
import { fileKey } from "../delta/file-key.ts";
import type { Plan } from "../delta/outcome.ts";
import { scanFiles } from "../delta/scan.ts";
import {
	loadSnapshot,
	refreshSnapshot,
	type Snapshot,
} from "../delta/snapshot.ts";
import { type StagedFile, stageFiles } from "../delta/stage.ts";
import { TributaryError } from "../errors.ts";
import { bindPredicate } from "../expression/bind.ts";
import { parseExpression } from "../expression/parse.ts";
import {
	batchOfLetters,
	DEAD_LETTERS,
	type DeadLetter,
	LETTER_SCHEMA,
	lettersOf,
	RAW_COLUMNS,
} from "./dead-letter.ts";
import { VectorStage } from "./upsert-vectors.ts";

/** The newest dead letter of each partition of a table, by `txn` application id; what a writer knows of them. */
export type LetterPositions = ReadonlyMap<string, number | undefined>;

/** What becomes of a letter: another state of it, nothing (`undefined`), or `"gone"`. */
export type LetterChange = (
	letter: DeadLetter,
) => DeadLetter | "gone" | undefined;

export interface LetterOptions {
	/** A condition in SQL. */
	readonly where?: string;
	/** Without the raw record, which is empty then. */
	readonly withoutRaw?: boolean;
}

/**
 * The table of dead letters, shared by the writers of a pipeline and by those who look after it. Letters
 * are appended; what becomes of one later takes its row's place by a deletion vector.
 */
export class DeadLetterTable {
	readonly #engine: Engine;
	#snapshot: Snapshot | undefined;
	/** What is under way: a process's own commits needn't race. */
	#last: Promise<unknown> = Promise.resolve();

	constructor(engine: Engine) {
		this.#engine = engine;
	}

	get url(): string {
		return this.#engine.store.url;
	}

	/** The newest state; `undefined` while there never was a letter. */
	async refresh(): Promise<Snapshot | undefined> {
		const before = this.#snapshot;
		const found =
			before === undefined
				? await loadSnapshot(this.#engine)
				: await refreshSnapshot(this.#engine, before);
		if (found !== undefined && found.version >= (this.#snapshot?.version ?? -1))
			this.#snapshot = found;
		return this.#snapshot;
	}

	/** The letters of a state of the table. */
	async *read(
		snapshot: Snapshot,
		options: LetterOptions = {},
	): AsyncGenerator<DeadLetter, void, undefined> {
		for await (const { batch } of this.#scan(snapshot, options))
			yield* lettersOf(batch);
	}

	/**
	 * Adds letters, each once: `known` are the positions that the caller started from, and where the table
	 * has others by now, nothing is added.
	 * @returns the positions that the table has then, or `undefined` when another writer went further
	 */
	append(
		letters: readonly DeadLetter[],
		known: LetterPositions,
	): Promise<LetterPositions | undefined> {
		return this.#alone(() => this.#append(letters, known));
	}

	/** Gives letters another state, or takes them out, in one commit; how many. */
	rewrite(change: LetterChange, options: LetterOptions = {}): Promise<number> {
		return this.#alone(() => this.#rewrite(change, options));
	}

	#alone<T>(run: () => Promise<T>): Promise<T> {
		const next = this.#last.then(run);
		// Whoever waits for it hears of its trouble.
		this.#last = next.catch(() => undefined);
		return next;
	}

	async #append(
		letters: readonly DeadLetter[],
		known: LetterPositions,
	): Promise<LetterPositions | undefined> {
		const base = this.#snapshot ?? (await this.refresh());
		const created =
			base === undefined
				? newLayout(
						this.url,
						{
							schema: LETTER_SCHEMA,
							name: DEAD_LETTERS,
							configuration: { "delta.enableDeletionVectors": "true" },
						},
						this.#engine,
					)
				: undefined;
		const table = base ?? created?.table;
		if (table === undefined) return undefined;
		const files = await stageFiles(
			this.#engine,
			table,
			batchOfLetters(letters),
		);
		const next = new Map<string, number>();
		for (const letter of letters) {
			const id = letterTxn(letter.position, letter.table);
			// Constraints are looked at later than bytes: a letter may come after those behind it.
			const before = next.get(id) ?? known.get(id) ?? -1;
			next.set(id, Math.max(before, Number(letter.offset)));
		}
		const now = this.#engine.now();
		const outcome = await commit(this.#engine, {
			base,
			plan: (snapshot): Plan => {
				for (const id of next.keys())
					if (snapshot?.txns.get(id)?.version !== known.get(id))
						return { kind: "abandon", reason: "moved" };
				return {
					kind: "commit",
					actions: [
						...(snapshot === undefined ? (created?.actions ?? []) : []),
						...[...next]
							.filter(([id, version]) => known.get(id) !== version)
							.map(([appId, version]) => ({
								txn: { appId, version, lastUpdated: now },
							})),
						...files.map(({ add }) => ({ add })),
					],
					info: { operation: "WRITE", isBlindAppend: true },
				};
			},
		});
		this.#snapshot = outcome.snapshot ?? this.#snapshot;
		switch (outcome.kind) {
			case "committed":
				return next;
			case "abandoned":
				return undefined;
			case "conflict":
				throw lost(this.url, outcome.attempts);
		}
	}

	async #rewrite(
		change: LetterChange,
		options: LetterOptions,
	): Promise<number> {
		for (;;) {
			const base = await this.refresh();
			if (base === undefined) return 0;
			const gone = new Map<string, number[]>();
			const kept: DeadLetter[] = [];
			let count = 0;
			for await (const { batch, file, rows } of this.#scan(base, options)) {
				let i = 0;
				for (const letter of lettersOf(batch)) {
					const row = rows[i++] as number;
					const next = change(letter);
					if (next === undefined) continue;
					const list = gone.get(fileKey(file)) ?? [];
					gone.set(fileKey(file), list);
					list.push(row);
					if (next !== "gone") kept.push(next);
					count++;
				}
			}
			if (count === 0) return 0;
			const vectors = await new VectorStage(this.#engine, 0).stage(
				base,
				[...gone].flatMap(([key, rows]) => {
					const file = base.files.get(key);
					return file === undefined
						? []
						: [{ file, rows: Uint32Array.from(rows) }];
				}),
				["offset"],
			);
			const files: readonly StagedFile[] =
				kept.length === 0
					? []
					: await stageFiles(this.#engine, base, batchOfLetters(kept));
			const outcome = await commit(this.#engine, {
				base,
				plan: (snapshot): Plan =>
					snapshot?.metadata !== base.metadata ||
					[...gone.keys()].some((key) => !snapshot.files.has(key))
						? { kind: "abandon", reason: "stale" }
						: {
								kind: "commit",
								actions: [
									...files.map(({ add }) => ({ add })),
									...vectors.actions,
								],
								info: { operation: "UPDATE", isBlindAppend: false },
							},
			});
			this.#snapshot = outcome.snapshot ?? this.#snapshot;
			if (outcome.kind === "committed") return count;
			if (outcome.kind === "conflict") throw lost(this.url, outcome.attempts);
			// Others changed letters of these files: they are looked at again.
		}
	}

	#scan(snapshot: Snapshot, { where, withoutRaw = false }: LetterOptions) {
		const columns = LETTER_SCHEMA.fields
			.map(({ name }) => name)
			.filter((name) => !withoutRaw || !RAW_COLUMNS.includes(name));
		return scanFiles(this.#engine, snapshot, {
			columns,
			...(where === undefined
				? {}
				: { where: bindPredicate(parseExpression(where), snapshot.schema) }),
		});
	}
}

/** The application id under which the table of dead letters has the newest one of a table's partition. */
export function letterTxn(position: string, table: string): string {
	return `${position}/${table}`;
}

/** A condition that a column is this text. */
export function isText(column: string, text: string): string {
	return `${column} = '${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}

function lost(url: string, attempts: number): TributaryError {
	return new TributaryError(
		"COMMIT_CONFLICT",
		`${url}: ${attempts} commits in a row were lost to other writers`,
		{ retryable: true },
	);
}
