import { parseArgs } from "node:util";
import { parseTimestamp } from "../../delta/time-text.ts";
import { ConfigError, messageOf } from "../../errors.ts";
import { durationText, parseDuration } from "../../resource/quantity.ts";
import type { LetterStatus } from "../../writer/dead-letter.ts";
import type { LetterFilter } from "../../writer/letter-filter.ts";
import { suggestion } from "../table/nearest.ts";

const OPTIONS = {
	file: { type: "string", short: "f", multiple: true },
	pipeline: { type: "string" },
	environment: { type: "boolean" },
	table: { type: "string" },
	code: { type: "string" },
	status: { type: "string" },
	since: { type: "string" },
	before: { type: "string" },
	limit: { type: "string" },
	per: { type: "string" },
	raw: { type: "string" },
	all: { type: "boolean" },
	"dry-run": { type: "boolean" },
	json: { type: "boolean" },
	help: { type: "boolean", short: "h" },
} as const;

export type Flag = keyof typeof OPTIONS;
export type Flags = ReturnType<typeof parse>["values"];

/** How a flag is shown in `--help`. */
export const FLAG_TEXT: Readonly<Record<Flag, readonly [string, string]>> = {
	file: ["-f, --file FILE", "the pipeline's YAML; repeat for its Secrets"],
	pipeline: ["--pipeline NAME", "of a file that has several"],
	environment: [
		"--environment",
		"the pipeline of a writer that is configured by its environment",
	],
	table: ["--table PATH", "only of this table, by its folder: orders"],
	code: ["--code CODE", "only with this error code"],
	status: [
		"--status S,S",
		"open, replaying, replayed, superseded; or all of them: all",
	],
	since: ["--since TIME", "only those that came since then: 24h, or ISO 8601"],
	before: ["--before TIME", "only those last tried before then: 30d, or ISO"],
	limit: ["--limit N", "at most N of them, the newest (list) or oldest"],
	per: ["--per day|hour", "counts of each day or hour"],
	raw: ["--raw key|value", "only these bytes, as they are"],
	all: ["--all", "without any filter"],
	"dry-run": ["--dry-run", "only tell what would happen"],
	json: ["--json", "JSON, one document a line"],
	help: ["-h, --help", "this"],
};

const STATUSES: readonly LetterStatus[] = [
	"open",
	"replaying",
	"replayed",
	"superseded",
];

function parse(argv: readonly string[]) {
	return parseArgs({
		args: [...argv],
		allowPositionals: true,
		options: OPTIONS,
	});
}

/** @throws ConfigError for an unknown flag, or one without the value that it takes */
export function parseFlags(argv: readonly string[]): {
	readonly flags: Flags;
	readonly positionals: readonly string[];
} {
	try {
		const { values, positionals } = parse(argv);
		return { flags: values, positionals };
	} catch (cause) {
		const [message = ""] = messageOf(cause).split("\n");
		const unknown = /^Unknown option '(--?[^' =]+)/.exec(message)?.[1];
		const known = Object.keys(OPTIONS).map((name) => `--${name}`);
		throw new ConfigError(
			unknown === undefined
				? `${message}; see tributary dlq --help`
				: `there is no flag ${unknown}${suggestion(unknown, known)}; see tributary dlq --help`,
			{ cause },
		);
	}
}

/** @throws ConfigError for flags that a command does not take */
export function checkFlags(
	command: string,
	flags: Flags,
	taken: readonly Flag[],
): void {
	for (const flag of Object.keys(flags) as Flag[])
		if (!taken.includes(flag) && flag !== "help")
			throw new ConfigError(
				`dlq ${command} takes no --${flag}; it takes ${taken.map((each) => `--${each}`).join(", ")}`,
			);
}

/** @throws ConfigError for a value that a filter can't have */
export function filterOf(flags: Flags, nowMs: number): LetterFilter {
	return {
		table: flags.table?.replace(/^\/+|\/+$/g, ""),
		code: flags.code,
		statuses: statusesOf(flags.status),
		sinceMs: timeOf("since", flags.since, nowMs),
		beforeMs: timeOf("before", flags.before, nowMs),
	};
}

/** @throws ConfigError unless it is a whole number */
export function limitOf({ limit }: Flags): number | undefined {
	if (limit === undefined) return undefined;
	if (!/^\d{1,15}$/.test(limit))
		throw new ConfigError(
			`--limit ${limit} is not a whole number; write one like 12`,
		);
	return Number(limit);
}

function statusesOf(
	text: string | undefined,
): readonly LetterStatus[] | undefined {
	if (text === undefined) return undefined;
	if (text === "all") return STATUSES;
	return text.split(",").map((name) => {
		const found = STATUSES.find((status) => status === name.trim());
		if (found === undefined)
			throw new ConfigError(
				`--status ${name} is none${suggestion(name, STATUSES)}; use ${STATUSES.join(", ")} or all`,
			);
		return found;
	});
}

/** Milliseconds since the epoch. */
function timeOf(
	flag: Flag,
	text: string | undefined,
	nowMs: number,
): number | undefined {
	if (text === undefined) return undefined;
	if (durationText.safeParse(text).success) return nowMs - parseDuration(text);
	const micros = parseTimestamp(text);
	if (micros === undefined)
		throw new ConfigError(
			`--${flag} ${text} is no time; write it like 24h or 2026-08-31T12:00:00Z`,
		);
	return Math.floor(Number(micros) / 1000);
}
