import { once } from "node:events";
import { ConfigError, TributaryError } from "../../errors.ts";
import type { DeadLetter } from "../../writer/dead-letter.ts";
import {
	conditionOf,
	letterName,
	type NamedLetter,
} from "../../writer/letter-filter.ts";
import { iso, letterJson } from "./list.ts";
import type { DlqContext } from "./open.ts";
import { recordJson, recordText, shownText } from "./record-text.ts";

/** One letter whole. */
export async function showLetter(context: DlqContext): Promise<void> {
	const { flags, names, out, stream } = context;
	const [name] = names;
	if (name === undefined || names.length > 1)
		throw new ConfigError(
			"dlq show takes one dead letter, such as orders/0/123; dlq list has their names",
		);
	const { raw } = flags;
	if (raw !== undefined && raw !== "key" && raw !== "value")
		throw new ConfigError(`--raw ${raw} is not known: use key or value`);
	if (raw !== undefined && flags.json === true)
		throw new ConfigError("--raw and --json don't go together: leave one out");
	for (const letter of await lettersNamed(context, name)) {
		if (raw !== undefined) {
			if (!stream.write(letter[raw] ?? new Uint8Array(0)))
				await once(stream, "drain");
		} else out.write(flags.json === true ? json(letter) : text(letter));
	}
}

/** More than one where the topic was made anew. */
async function lettersNamed(
	{ deadLetters }: DlqContext,
	name: NamedLetter,
): Promise<DeadLetter[]> {
	const snapshot = await deadLetters.refresh();
	const where = conditionOf(name);
	const found: DeadLetter[] = [];
	if (snapshot !== undefined && where !== undefined)
		for await (const letter of deadLetters.read(snapshot, { where }))
			found.push(letter);
	if (found.length === 0)
		throw new TributaryError(
			"DEAD_LETTER_NOT_FOUND",
			`${deadLetters.url} has no dead letter ${letterName(name)}; dlq list has their names`,
		);
	return found;
}

function json(letter: DeadLetter): string {
	const about = JSON.stringify(letterJson(letter)).slice(0, -1);
	const headers = letter.headers.map(
		({ name, value }) =>
			`{"name":${JSON.stringify(name)},"value":${recordJson(value)}}`,
	);
	return `${about},"key":${recordJson(letter.key)},"value":${recordJson(letter.value)},"headers":[${headers.join(",")}]}\n`;
}

function text(letter: DeadLetter): string {
	const lines: [string, string][] = [
		["table", letter.table],
		["topic", `${letter.topic}, partition ${letter.partition}`],
		["offset", String(letter.offset)],
		["sent", letter.timestampMs === null ? "-" : iso(letter.timestampMs)],
		["status", letter.status],
		["error", letter.code],
		["", letter.message],
		["first try", iso(letter.firstTryMs)],
		["last try", `${iso(letter.lastTryMs)}, the ${ordinal(letter.tries)}`],
		...letter.headers.map(({ name, value }): [string, string] => [
			"header",
			`${name}: ${inline(value)}`,
		]),
		["key", inline(letter.key)],
		["value", size(letter.value)],
	];
	const value = recordText(letter.value);
	return `${lines
		.map(([name, of]) => `${name.padEnd(11)}${shownText(of)}\n`)
		.join("")}${value.kind === "none" ? "" : `\n${shownText(value.text)}\n`}`;
}

function inline(bytes: Uint8Array | null): string {
	const record = recordText(bytes);
	switch (record.kind) {
		case "none":
			return "none";
		case "base64":
			return `${record.text} (base64)`;
		default:
			return record.text;
	}
}

function size(bytes: Uint8Array | null): string {
	const { kind } = recordText(bytes);
	const names = { json: "JSON", text: "text", base64: "in base64" };
	return kind === "none"
		? "none: a tombstone"
		: `${bytes?.length ?? 0} bytes, ${names[kind]}`;
}

function ordinal(count: number): string {
	const last = count % 10;
	const teen = count % 100 >= 11 && count % 100 <= 13;
	const ending =
		teen || last > 3 || last === 0 ? "th" : ["st", "nd", "rd"][last - 1];
	return `${count}${ending}`;
}
