import { ConfigError } from "../../errors.ts";
import { letterName } from "../../writer/letter-filter.ts";
import { type ReplayedLetter, replay } from "../../writer/replay.ts";
import { filterOf, limitOf } from "./flags.ts";
import { letterJson } from "./list.ts";
import type { DlqContext } from "./open.ts";

/** Letters that stay are told of one by one, at most so many. */
const MOST_TOLD = 20;

const OUTCOMES: Readonly<
	Record<
		ReplayedLetter["outcome"],
		{ readonly done: string; readonly dry: string; readonly stays: boolean }
	>
> = {
	row: { done: "replayed", dry: "would be replayed", stays: false },
	nothing: {
		done: "say nothing to their table by the rules of now: done with",
		dry: "say nothing to their table by the rules of now",
		stays: false,
	},
	superseded: {
		done: "not replayed: a newer change of their row is in the table",
		dry: "would not be replayed: a newer change of their row is in the table",
		stays: false,
	},
	failed: { done: "failed again", dry: "would fail again", stays: true },
	unordered: {
		done: "stay: their key could not be read when they came, so nobody knows whether the mirror has a newer change of their row",
		dry: "would stay: their key could not be read when they came, so nobody knows whether the mirror has a newer change of their row",
		stays: true,
	},
	waiting: {
		done: "wait: their writer has not committed their offset yet; replay again after its next commit",
		dry: "would wait: their writer has not committed their offset yet",
		stays: true,
	},
	"no-table": {
		done: "stay: their table is not there yet, or not one of this pipeline",
		dry: "would stay: their table is not there yet, or not one of this pipeline",
		stays: true,
	},
};

/** @returns 4 where letters stay that were to be replayed */
export async function replayLetters(context: DlqContext): Promise<number> {
	const { flags, out, config, engineAt, names } = context;
	if (config === undefined)
		throw new ConfigError(
			"dlq replay needs the rules of the pipeline: give its YAML by -f FILE, or --environment in place of the location",
		);
	const filter = filterOf(flags, context.nowMs);
	const limit = limitOf(flags);
	const dryRun = flags["dry-run"] === true;
	const filters =
		names.length === 0
			? [filter]
			: names.map((name) => ({ ...filter, ...name }));
	const counts = new Map<string, Map<ReplayedLetter["outcome"], number>>();
	const left: ReplayedLetter[] = [];
	for (const one of filters)
		for await (const replayed of replay({
			config,
			engineAt,
			filter: one,
			dryRun,
			...(limit === undefined ? {} : { limit }),
		})) {
			const { letter, outcome } = replayed;
			const table = counts.get(letter.table) ?? new Map();
			counts.set(letter.table, table);
			table.set(outcome, (table.get(outcome) ?? 0) + 1);
			if (OUTCOMES[outcome].stays) left.push(replayed);
			if (flags.json === true) out.write(json(replayed, dryRun));
			if (out.full) await out.flush();
		}
	if (flags.json !== true) out.write(text(counts, left, dryRun));
	return left.length > 0 ? 4 : 0;
}

function json(
	{ letter, outcome, code, message }: ReplayedLetter,
	dryRun: boolean,
): string {
	const { table, topic, partition, offset } = letterJson(letter);
	return `${JSON.stringify({
		name: letterName(letter),
		...{ table, topic, partition, offset },
		outcome: outcome === "row" ? "replayed" : outcome,
		...(code === undefined ? {} : { code, message }),
		dryRun,
	})}\n`;
}

function text(
	counts: ReadonlyMap<string, ReadonlyMap<ReplayedLetter["outcome"], number>>,
	left: readonly ReplayedLetter[],
	dryRun: boolean,
): string {
	if (counts.size === 0) return "no open dead letter matches\n";
	const lines: string[] = [];
	for (const [table, outcomes] of [...counts].sort(([a], [b]) =>
		a < b ? -1 : 1,
	))
		for (const [outcome, count] of outcomes)
			lines.push(
				`${table}: ${count} ${OUTCOMES[outcome][dryRun ? "dry" : "done"]}\n`,
			);
	const failed = left.filter(({ outcome }) => outcome === "failed");
	for (const { letter, code, message } of failed.slice(0, MOST_TOLD))
		lines.push(`  ${letterName(letter)}  ${code}: ${message}\n`);
	if (failed.length > MOST_TOLD)
		lines.push(`  and ${failed.length - MOST_TOLD} more; see dlq list\n`);
	return lines.join("");
}
