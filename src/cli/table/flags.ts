import { parseArgs } from "node:util";
import { ConfigError, messageOf } from "../../errors.ts";
import {
	bytesQuantity,
	durationText,
	parseBytes,
	parseDuration,
} from "../../resource/quantity.ts";
import { suggestion } from "./nearest.ts";

const OPTIONS = {
	version: { type: "string" },
	timestamp: { type: "string" },
	json: { type: "boolean" },
	columns: { type: "string" },
	where: { type: "string" },
	format: { type: "string" },
	limit: { type: "string" },
	count: { type: "boolean" },
	from: { type: "string" },
	to: { type: "string" },
	schema: { type: "string" },
	"schema-file": { type: "string" },
	file: { type: "string" },
	"partition-by": { type: "string" },
	property: { type: "string", multiple: true },
	name: { type: "string" },
	description: { type: "string" },
	"compact-log": { type: "string" },
	"clean-log": { type: "boolean" },
	"dry-run": { type: "boolean" },
	"target-file-size": { type: "string" },
	"z-order": { type: "string" },
	purge: { type: "boolean" },
	retention: { type: "string" },
	"allow-short-retention": { type: "boolean" },
	"keep-positions": { type: "boolean" },
	"add-column": { type: "string", multiple: true },
	"widen-column": { type: "string", multiple: true },
	"rename-column": { type: "string" },
	"drop-column": { type: "string" },
	set: { type: "string", multiple: true },
	unset: { type: "string", multiple: true },
	"add-constraint": { type: "string" },
	"drop-constraint": { type: "string" },
	help: { type: "boolean", short: "h" },
} as const;

export type Flag = keyof typeof OPTIONS;

/** How a flag is shown in `--help`. */
export const FLAG_TEXT: Readonly<Record<Flag, readonly [string, string]>> = {
	version: ["--version N", "the table as of version N"],
	timestamp: ["--timestamp ISO", "the table as of then; without a zone, UTC"],
	json: ["--json", "JSON, one document a line"],
	columns: ["--columns A,B", "only these columns, in this order"],
	where: [
		"--where EXPR",
		"only rows (files, optimize: files that may have rows) for which EXPR is true",
	],
	format: ["--format F", "table (default), ndjson or csv"],
	limit: ["--limit N", "at most N rows (history: commits)"],
	count: ["--count", "only the number of rows"],
	from: ["--from N", "the first version whose changes are wanted"],
	to: ["--to N", "the last one; the newest when absent"],
	schema: ["--schema LIST", "columns: 'id long not null, tags array<string>'"],
	"schema-file": ["--schema-file F", "a file with a schema in Delta's JSON"],
	file: ["--file F", "a DeltaTable in YAML; its location is not looked at"],
	"partition-by": ["--partition-by A,B", "partition columns"],
	property: ["--property K=V", "a table property; repeat for more"],
	name: ["--name TEXT", "the table's name"],
	description: ["--description TEXT", "what it is for"],
	"compact-log": [
		"--compact-log A..B",
		"instead: write the commits A to B as one log compaction file",
	],
	"clean-log": [
		"--clean-log",
		"instead: delete the log of versions that are past the table's retention",
	],
	"dry-run": ["--dry-run", "only tell what would be done"],
	"target-file-size": [
		"--target-file-size S",
		"such as 256Mi; delta.targetFileSize, or 256Mi, when absent",
	],
	"z-order": [
		"--z-order A,B",
		"rows in the order of a Z-curve over these columns",
	],
	purge: [
		"--purge",
		"write every file with deleted rows again, not only from 5 % of them on",
	],
	retention: [
		"--retention T",
		"such as 168h; the table's own, a week by default, when absent",
	],
	"allow-short-retention": [
		"--allow-short-retention",
		"a --retention below the table's own is meant",
	],
	"keep-positions": [
		"--keep-positions",
		"don't let writers read again from Kafka what came since that version",
	],
	"add-column": [
		"--add-column 'N TYPE'",
		"a new column, or a.b in a struct; repeat for more",
	],
	"widen-column": ["--widen-column 'N TYPE'", "a wider type; repeat for more"],
	"rename-column": ["--rename-column A=B", "needs column mapping"],
	"drop-column": ["--drop-column A", "needs column mapping"],
	set: ["--set K=V", "a property; repeat for more"],
	unset: ["--unset K", "take a property away; repeat for more"],
	"add-constraint": [
		"--add-constraint 'N: EXPR'",
		"checked for all rows first",
	],
	"drop-constraint": ["--drop-constraint N", "by its name"],
	help: ["-h, --help", "this"],
};

/** Each is a commit of its own. */
export const ALTERATIONS = [
	"add-column",
	"widen-column",
	"rename-column",
	"drop-column",
	"add-constraint",
	"drop-constraint",
] as const satisfies readonly Flag[];

export type Flags = ReturnType<typeof parse>["values"];

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
				? `${message}; see tributary table --help`
				: `there is no flag ${unknown}${suggestion(unknown, known)}; see tributary table --help`,
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
				`table ${command} takes no --${flag}; it takes ${taken.map((each) => `--${each}`).join(", ")}`,
			);
}

/** @throws ConfigError when two of the flags are given */
export function onlyOne(flags: Flags, names: readonly Flag[]): void {
	const [first, second] = names.filter((name) => flags[name] !== undefined);
	if (first !== undefined && second !== undefined)
		throw new ConfigError(
			`--${first} and --${second} don't go together: leave one out`,
		);
}

/** Bytes of a flag. @throws ConfigError unless it is a quantity such as `256Mi` */
export function byteCount(
	flag: Flag,
	text: string | undefined,
): number | undefined {
	if (text === undefined) return undefined;
	const bytes = bytesQuantity.safeParse(text).success ? parseBytes(text) : 0;
	if (bytes > 0) return bytes;
	throw new ConfigError(
		`--${flag} ${text} is no size; write one like 134217728 or 128Mi`,
	);
}

/** Milliseconds of a flag. @throws ConfigError unless it is a duration such as `168h` */
export function duration(
	flag: Flag,
	text: string | undefined,
): number | undefined {
	if (text === undefined) return undefined;
	if (durationText.safeParse(text).success) return parseDuration(text);
	throw new ConfigError(
		`--${flag} ${text} is no duration; write one like 168h or 7d`,
	);
}

/** @throws ConfigError unless it is a whole number */
export function wholeNumber(
	flag: Flag,
	text: string | undefined,
): number | undefined {
	if (text === undefined) return undefined;
	if (!/^\d{1,15}$/.test(text))
		throw new ConfigError(
			`--${flag} ${text} is not a whole number; write one like 12`,
		);
	return Number(text);
}
