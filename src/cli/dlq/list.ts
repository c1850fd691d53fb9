import { ConfigError } from "../../errors.ts";
import type { DeadLetter } from "../../writer/dead-letter.ts";
import { conditionOf, letterName } from "../../writer/letter-filter.ts";
import { tableText } from "../table/text-table.ts";
import { filterOf, limitOf } from "./flags.ts";
import type { DlqContext } from "./open.ts";

const DEFAULT_LIMIT = 20;

interface Group {
	readonly time: string | undefined;
	readonly table: string;
	readonly code: string;
	readonly status: string;
	count: number;
	firstMs: number;
	lastMs: number;
}

/** Counts by table, code and status, then the newest letters. */
export async function listLetters(context: DlqContext): Promise<void> {
	const { flags, out, deadLetters } = context;
	const filter = filterOf(flags, context.nowMs);
	const limit = limitOf(flags) ?? DEFAULT_LIMIT;
	const { per } = flags;
	if (per !== undefined && per !== "day" && per !== "hour")
		throw new ConfigError(`--per ${per} is not known: use day or hour`);
	const snapshot = await deadLetters.refresh();
	const groups = new Map<string, Group>();
	let newest: DeadLetter[] = [];
	if (snapshot !== undefined) {
		const where = conditionOf(filter);
		for await (const letter of deadLetters.read(snapshot, {
			withoutRaw: true,
			...(where === undefined ? {} : { where }),
		})) {
			count(groups, letter, per);
			// Without a status, those that something can be done about.
			if (flags.status === undefined && !isOpen(letter)) continue;
			newest.push(letter);
			if (newest.length >= 2 * limit + 1000)
				newest = newest.sort(newestFirst).slice(0, limit);
		}
	}
	newest = newest.sort(newestFirst).slice(0, limit);
	const counts = [...groups.values()].sort(
		(a, b) =>
			compare(a.time ?? "", b.time ?? "") ||
			compare(a.table, b.table) ||
			b.count - a.count,
	);
	out.write(
		flags.json === true
			? json(counts, newest, per)
			: text(counts, newest, per, deadLetters.url),
	);
}

function count(
	groups: Map<string, Group>,
	{ table, code, status, firstTryMs, lastTryMs }: DeadLetter,
	per: "day" | "hour" | undefined,
): void {
	const time =
		per === undefined
			? undefined
			: iso(firstTryMs).slice(0, per === "day" ? 10 : 13);
	const key = JSON.stringify([time, table, code, status]);
	const group = groups.get(key) ?? {
		...{ time, table, code, status, count: 0 },
		firstMs: firstTryMs,
		lastMs: lastTryMs,
	};
	groups.set(key, group);
	group.count++;
	group.firstMs = Math.min(group.firstMs, firstTryMs);
	group.lastMs = Math.max(group.lastMs, lastTryMs);
}

function json(
	counts: readonly Group[],
	letters: readonly DeadLetter[],
	per: string | undefined,
): string {
	const lines = [
		...counts.map(({ time, firstMs, lastMs, ...group }) => ({
			kind: "count",
			...(per === undefined ? {} : { [per]: time }),
			...group,
			firstTry: iso(firstMs),
			lastTry: iso(lastMs),
		})),
		...letters.map((letter) => ({ kind: "letter", ...letterJson(letter) })),
	];
	return lines.map((line) => `${JSON.stringify(line)}\n`).join("");
}

/** What there is of a letter besides its raw record. */
export function letterJson(letter: DeadLetter) {
	return {
		name: letterName(letter),
		table: letter.table,
		topic: letter.topic,
		partition: letter.partition,
		offset: Number(letter.offset),
		timestamp: letter.timestampMs === null ? null : iso(letter.timestampMs),
		status: letter.status,
		code: letter.code,
		message: letter.message,
		firstTry: iso(letter.firstTryMs),
		lastTry: iso(letter.lastTryMs),
		tries: letter.tries,
	};
}

function text(
	counts: readonly Group[],
	letters: readonly DeadLetter[],
	per: string | undefined,
	url: string,
): string {
	if (counts.length === 0) return `no dead letters in ${url}\n`;
	const heading = per === undefined ? [] : [per.toUpperCase()];
	const table = tableText(
		[...heading, "TABLE", "CODE", "STATUS", "COUNT", "FIRST TRY", "LAST TRY"],
		counts.map((group) => [
			...(group.time === undefined ? [] : [group.time]),
			group.table,
			group.code,
			group.status,
			String(group.count),
			seconds(group.firstMs),
			seconds(group.lastMs),
		]),
	);
	if (letters.length === 0) return table;
	const rows = letters.map(
		(letter) =>
			`${letterName(letter)}  ${letter.status}, ${letter.code}, ${tries(letter.tries)}, the last at ${seconds(letter.lastTryMs)}\n    ${oneLine(letter.message)}\n`,
	);
	return `${table}\n${rows.join("")}`;
}

function tries(count: number): string {
	return count === 1 ? "1 try" : `${count} tries`;
}

function oneLine(message: string): string {
	return message.replace(
		// biome-ignore lint/suspicious/noControlCharactersInRegex: messages quote what came
		/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g,
		" ",
	);
}

function isOpen({ status }: DeadLetter): boolean {
	return status === "open" || status === "replaying";
}

function newestFirst(a: DeadLetter, b: DeadLetter): number {
	return b.lastTryMs - a.lastTryMs || compare(letterName(a), letterName(b));
}

function compare(a: string, b: string): number {
	return a < b ? -1 : a > b ? 1 : 0;
}

export function iso(ms: number): string {
	return new Date(ms).toISOString();
}

function seconds(ms: number): string {
	return `${iso(ms).slice(0, 19)}Z`;
}
