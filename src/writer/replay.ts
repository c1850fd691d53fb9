import type { Engine } from "../delta/engine.ts";
import type { WriterConfig } from "./config.ts";
import { DEAD_LETTERS, type DeadLetter } from "./dead-letter.ts";
import { DeadLetterTable } from "./dead-letter-table.ts";
import { byAge } from "./letter-age.ts";
import { conditionOf, type LetterFilter, letterId } from "./letter-filter.ts";
import type { Verdict } from "./letter-rows.ts";
import { type Route, routesOf } from "./route.ts";
import { TableReplay } from "./table-replay.ts";

/** What became of a letter. */
export type ReplayOutcome =
	| Verdict["kind"]
	/** Its writer has not committed the records before it yet. */
	| "waiting"
	/** Its table is not there, or not one of this pipeline. */
	| "no-table";

export interface ReplayedLetter {
	readonly letter: DeadLetter;
	readonly outcome: ReplayOutcome;
	/** Why it failed again. */
	readonly code?: string;
	readonly message?: string;
}

export interface ReplayOptions {
	readonly config: WriterConfig;
	/** The engine of the table at a path below the location. */
	readonly engineAt: (path: string) => Engine;
	readonly filter?: LetterFilter;
	/** Only tells what would become of the letters. */
	readonly dryRun?: boolean;
	/** Letters that are committed together, at most. */
	readonly batch?: number;
	/** Letters that are replayed, at most. */
	readonly limit?: number;
}

const BATCH = 500;

/**
 * Decodes dead letters again, by the rules of now, and writes them to their tables, each once: beside
 * running writers, beside other replays, and after a crash at any moment. What fails again stays, with the
 * new reason. Letters are told of as they are done.
 * @throws as `TableReplay`
 */
export async function* replay(
	options: ReplayOptions,
): AsyncGenerator<ReplayedLetter, void, undefined> {
	const { config, engineAt, filter = {}, dryRun = false } = options;
	const deadLetters = new DeadLetterTable(engineAt(DEAD_LETTERS));
	const tables = new Map<string, TableReplay | undefined>();
	const replayOf = (letter: DeadLetter): TableReplay | undefined => {
		if (!tables.has(letter.table)) {
			const route = routeOf(letter, config);
			const engine = engineAt(letter.table);
			tables.set(
				letter.table,
				route && new TableReplay({ config, route, engine, deadLetters }),
			);
		}
		return tables.get(letter.table);
	};
	if (!dryRun)
		for (const letter of await lettersOf(deadLetters, {
			...filter,
			statuses: ["replaying"],
		})) {
			const known = tables.has(letter.table);
			const table = replayOf(letter);
			if (!known) await table?.recover();
		}
	const open = await lettersOf(deadLetters, {
		...filter,
		statuses: dryRun ? ["open", "replaying"] : ["open"],
	});
	const wanted = byAge(open).slice(0, options.limit);
	for (const [, letters] of Map.groupBy(wanted, ({ table }) => table)) {
		const [first] = letters;
		const table = first && replayOf(first);
		const snapshot = await table?.refresh();
		const ready: DeadLetter[] = [];
		for (const letter of letters) {
			const outcome = unready(letter, snapshot, config);
			if (outcome === undefined) ready.push(letter);
			else yield { letter, outcome };
		}
		if (table === undefined) continue;
		for (const chunk of chunks(ready, options.batch ?? BATCH)) {
			const verdicts = dryRun
				? await table.judge(await withRaw(deadLetters, chunk))
				: await table.run(chunk);
			for (const letter of chunk) {
				const verdict = verdicts.get(letterId(letter));
				// Without one, another replay, or a newer change, was quicker.
				if (verdict !== undefined)
					yield {
						letter,
						outcome: verdict.kind,
						...(verdict.kind === "failed" ? verdict.reason : {}),
					};
			}
		}
	}
}

/** Why a letter can't be replayed now; `undefined` when it can. */
function unready(
	letter: DeadLetter,
	snapshot: Awaited<ReturnType<TableReplay["refresh"]>>,
	config: WriterConfig,
): ReplayOutcome | undefined {
	if (snapshot === undefined || routeOf(letter, config) === undefined)
		return "no-table";
	// Records before it may be read again, and would be taken for newer ones.
	const committed = snapshot.txns.get(letter.position)?.version ?? -1;
	return letter.offset > BigInt(committed) ? "waiting" : undefined;
}

function routeOf(letter: DeadLetter, config: WriterConfig): Route | undefined {
	return letter.position.startsWith(`tributary/${config.pipeline}/`)
		? routesOf(letter.topic, config).find(({ path }) => path === letter.table)
		: undefined;
}

/** Without their raw records. */
async function lettersOf(
	deadLetters: DeadLetterTable,
	filter: LetterFilter,
): Promise<DeadLetter[]> {
	const snapshot = await deadLetters.refresh();
	if (snapshot === undefined) return [];
	const where = conditionOf(filter);
	const found: DeadLetter[] = [];
	for await (const letter of deadLetters.read(snapshot, {
		withoutRaw: true,
		...(where === undefined ? {} : { where }),
	}))
		found.push(letter);
	return found;
}

async function withRaw(
	deadLetters: DeadLetterTable,
	letters: readonly DeadLetter[],
): Promise<DeadLetter[]> {
	const snapshot = await deadLetters.refresh();
	const [first] = letters;
	const where = first && conditionOf({ table: first.table });
	const ids = new Set(letters.map(letterId));
	const found: DeadLetter[] = [];
	if (snapshot !== undefined && where !== undefined)
		for await (const letter of deadLetters.read(snapshot, { where }))
			if (ids.has(letterId(letter))) found.push(letter);
	return byAge(found);
}

function* chunks<T>(
	all: readonly T[],
	size: number,
): Generator<T[], void, undefined> {
	for (let from = 0; from < all.length; from += size)
		yield all.slice(from, from + size);
}
