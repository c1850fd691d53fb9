import type { Engine } from "../delta/engine.ts";
import { loadSnapshot } from "../delta/snapshot.ts";
import { ConfigError, messageOf, TributaryError } from "../errors.ts";
import { figuresOf } from "../maintain/figures.ts";
import { resultText } from "../resource/job-result.ts";
import {
	ALTERATIONS,
	checkFlags,
	FLAG_TEXT,
	type Flag,
	parseFlags,
} from "./table/flags.ts";
import { suggestion } from "./table/nearest.ts";
import { openEngine, type TableContext } from "./table/open.ts";
import { Output } from "./table/output.ts";
import { hasReader, leaveMessage } from "./termination.ts";

interface TableSubcommand {
	readonly does: string;
	readonly flags: readonly Flag[];
	/** Loaded when called for. */
	readonly load: () => Promise<(context: TableContext) => Promise<void>>;
}

const AT: readonly Flag[] = ["version", "timestamp"];
const ROWS: readonly Flag[] = ["columns", "format", "limit"];

const COMMANDS: Readonly<Record<string, TableSubcommand>> = {
	create: {
		does: "make an empty table",
		flags: [
			"schema",
			"schema-file",
			"partition-by",
			"property",
			"name",
			"description",
			"json",
		],
		load: async () => (await import("./table/create.ts")).createEmptyTable,
	},
	apply: {
		does: "make the table of a DeltaTable, or bring one to its schema and properties",
		flags: ["file", "dry-run", "json"],
		load: async () => (await import("./table/apply.ts")).applyTable,
	},
	show: {
		does: "version, size, features, properties and positions; whether it can be written",
		flags: [...AT, "json"],
		load: async () => (await import("./table/show.ts")).showTable,
	},
	schema: {
		does: "its columns",
		flags: [...AT, "json"],
		load: async () => (await import("./table/schema.ts")).showSchema,
	},
	history: {
		does: "its commits, newest first",
		flags: [...AT, "limit", "json"],
		load: async () => (await import("./table/history.ts")).showHistory,
	},
	files: {
		does: "its data files, or those that a query reads",
		flags: ["where", ...AT, "json"],
		load: async () => (await import("./table/files.ts")).showFiles,
	},
	read: {
		does: "its rows, or their number",
		flags: [...ROWS, "where", "count", ...AT, "json"],
		load: async () => (await import("./table/read.ts")).readRows,
	},
	changes: {
		does: "rows that versions changed, of any table",
		flags: ["from", "to", ...ROWS, ...AT, "json"],
		load: async () => {
			const { showChanges } = await import("./table/changes.ts");
			return (context) => showChanges(context, { recorded: false });
		},
	},
	cdf: {
		does: "the same, of a table whose change data feed was on",
		flags: ["from", "to", ...ROWS, ...AT, "json"],
		load: async () => {
			const { showChanges } = await import("./table/changes.ts");
			return (context) => showChanges(context, { recorded: true });
		},
	},
	alter: {
		does: "change its columns, properties or constraints; one kind of change at a time",
		flags: [...ALTERATIONS, "set", "unset", "json"],
		load: async () => (await import("./table/alter.ts")).alter,
	},
	optimize: {
		does: "write small files together and leave deleted rows out, beside live writers",
		flags: ["target-file-size", "where", "z-order", "purge", "dry-run", "json"],
		load: async () => (await import("./table/optimize.ts")).optimizeTable,
	},
	vacuum: {
		does: "delete files that no version within the retention needs",
		flags: ["retention", "allow-short-retention", "dry-run", "json"],
		load: async () => (await import("./table/vacuum.ts")).vacuumTable,
	},
	restore: {
		does: "make an older version the newest",
		flags: [...AT, "keep-positions", "dry-run", "json"],
		load: async () => (await import("./table/restore.ts")).restoreTable,
	},
	checkpoint: {
		does: "write a checkpoint and a checksum now; look after the log",
		flags: ["compact-log", "clean-log", "dry-run", "json"],
		load: async () => (await import("./table/checkpoint.ts")).maintainTable,
	},
};

const PATHS = `PATH is a local folder or s3://bucket/prefix; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and
AWS_ENDPOINT_URL are read from the environment. Exit status: 0; 2 for a wrong flag or expression; 3
for a table that must not be read or written; 1 for anything else.
`;

/** @throws ConfigError for bad flags, DeltaError for a table that can't be read */
export async function tableCommand(
	argv: readonly string[],
	stream: NodeJS.WritableStream,
): Promise<void> {
	const { flags, positionals } = parseFlags(argv);
	const [name, path, ...more] = positionals;
	const out = new Output(stream);
	try {
		if (name === undefined) {
			out.write(usage());
			return;
		}
		const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
		if (command === undefined)
			throw new ConfigError(
				`there is no command table ${name}${suggestion(name, Object.keys(COMMANDS)) || `; there are ${Object.keys(COMMANDS).join(", ")}`}`,
			);
		if (flags.help === true) {
			out.write(commandUsage(name, command));
			return;
		}
		if (path === undefined || path.trim() === "")
			throw new ConfigError(
				`table ${name} needs a PATH: a local folder or s3://bucket/prefix`,
			);
		if (more.length > 0)
			throw new ConfigError(
				`table ${name} takes one PATH; ${more.join(" ")} is too much: put what belongs together in quotes`,
			);
		checkFlags(name, flags, command.flags);
		const run = await command.load();
		const engine = openEngine(path);
		await leavingResult(engine, out, name, async () =>
			run({ engine, flags, out }),
		);
	} finally {
		await out.flush();
	}
}

/** Runs a command and leaves what came of it to whoever reads the container's last word. */
async function leavingResult(
	engine: Engine,
	out: Output,
	operation: string,
	run: () => Promise<void>,
): Promise<void> {
	if (!hasReader()) return await run();
	try {
		await run();
		const snapshot = await loadSnapshot(engine);
		leaveMessage(
			resultText({
				operation,
				...out.told,
				...(snapshot !== undefined && {
					table: await figuresOf(engine, snapshot),
				}),
			}),
		);
	} catch (error) {
		leaveMessage(
			resultText({
				operation,
				error: messageOf(error),
				...(error instanceof TributaryError && { code: error.code }),
			}),
		);
		throw error;
	}
}

function usage(): string {
	const lines = Object.entries(COMMANDS).map(
		([name, { does }]) => `  ${name.padEnd(12)}${does}\n`,
	);
	return `Usage: tributary table COMMAND PATH [flags]

${lines.join("")}
tributary table COMMAND --help lists the flags.

${PATHS}`;
}

function commandUsage(name: string, { does, flags }: TableSubcommand): string {
	const lines = [...flags, "help" as const].map((flag) => {
		const [form, text] = FLAG_TEXT[flag];
		return `  ${form.padEnd(26)}${text}\n`;
	});
	return `Usage: tributary table ${name} PATH [flags]

${does[0]?.toUpperCase()}${does.slice(1)}.

${lines.join("")}
${PATHS}`;
}
