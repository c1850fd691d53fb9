import { ConfigError } from "../../errors.ts";
import type { DeadLetter, LetterStatus } from "../../writer/dead-letter.ts";
import {
	conditionOf,
	type LetterFilter,
	letterId,
	letterName,
} from "../../writer/letter-filter.ts";
import { filterOf } from "./flags.ts";
import type { DlqContext } from "./open.ts";

/** Letters that nothing can be done with any more. */
const DONE: readonly LetterStatus[] = ["replayed", "superseded"];

/** Takes letters out of the table, one commit a filter. */
export async function purgeLetters(context: DlqContext): Promise<void> {
	const { flags, out, names } = context;
	const given = filterOf(flags, context.nowMs);
	const filtered = Object.values(given).some((value) => value !== undefined);
	if (!filtered && names.length === 0 && flags.all !== true)
		throw new ConfigError(
			"dlq purge needs to know which: --before 30d, another filter, the name of a letter, or --all",
		);
	if (given.statuses?.includes("replaying") === true && flags.status !== "all")
		throw new ConfigError(
			"--status replaying: a replay has those; run dlq replay, which brings it to its end",
		);
	const statuses = (
		given.statuses ?? (names.length > 0 ? [...DONE, "open"] : DONE)
	).filter((status): status is LetterStatus => status !== "replaying");
	const filter: LetterFilter = { ...given, statuses };
	const dryRun = flags["dry-run"] === true;
	const counts = new Map<string, number>();
	for (const name of names.length === 0 ? [undefined] : names) {
		const where = conditionOf({ ...filter, ...name }) ?? "true";
		const gone = dryRun
			? await matching(context, where)
			: await taken(context, where);
		for (const { table, status } of gone) {
			const key = `${table}\u0000${status}`;
			counts.set(key, (counts.get(key) ?? 0) + 1);
		}
		if (gone.length === 0 && flags.json !== true)
			out.write(
				name === undefined
					? "no dead letter matches\n"
					: `no dead letter ${letterName(name)} is there, or a replay has it\n`,
			);
	}
	for (const [key, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
		const [table = "", status = ""] = key.split("\u0000");
		out.write(
			flags.json === true
				? `${JSON.stringify({ table, status, count, dryRun })}\n`
				: `${table}: ${count} ${status} ${dryRun ? "would be purged" : "purged"}\n`,
		);
	}
}

async function taken(
	{ deadLetters }: DlqContext,
	where: string,
): Promise<Pick<DeadLetter, "table" | "status">[]> {
	// By their ids: what is tried again meets them twice.
	const gone = new Map<string, Pick<DeadLetter, "table" | "status">>();
	await deadLetters.rewrite(
		(letter) => {
			const { table, status } = letter;
			gone.set(letterId(letter), { table, status });
			return "gone";
		},
		{ where },
	);
	return [...gone.values()];
}

async function matching(
	{ deadLetters }: DlqContext,
	where: string,
): Promise<DeadLetter[]> {
	const snapshot = await deadLetters.refresh();
	const found: DeadLetter[] = [];
	if (snapshot !== undefined)
		for await (const letter of deadLetters.read(snapshot, {
			where,
			withoutRaw: true,
		}))
			found.push(letter);
	return found;
}
