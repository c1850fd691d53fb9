import { ConfigError } from "../errors.ts";
import {
	checkFlags,
	FLAG_TEXT,
	type Flag,
	type Flags,
	parseFlags,
} from "./dlq/flags.ts";
import { type DlqContext, openDlq } from "./dlq/open.ts";
import { suggestion } from "./table/nearest.ts";
import { Output } from "./table/output.ts";

interface DlqCommand {
	readonly form: string;
	readonly does: string;
	readonly flags: readonly Flag[];
	/** Loaded when called for. */
	readonly load: () => Promise<
		(context: DlqContext) => Promise<number> | Promise<void>
	>;
}

const WHERE: readonly Flag[] = ["file", "pipeline", "environment"];
const FILTERS: readonly Flag[] = ["table", "code", "since", "before"];

const COMMANDS: Readonly<Record<string, DlqCommand>> = {
	list: {
		form: "LOCATION",
		does: "how many there are by table and error code, and the newest open ones",
		flags: [...WHERE, ...FILTERS, "status", "per", "limit", "json"],
		load: async () => (await import("./dlq/list.ts")).listLetters,
	},
	show: {
		form: "LOCATION LETTER",
		does: "one of them whole: place, error, tries, key, headers and value",
		flags: [...WHERE, "raw", "json"],
		load: async () => (await import("./dlq/show.ts")).showLetter,
	},
	replay: {
		form: "-f FILE [LETTER...]",
		does: "decode them again by the rules of now, and write them to their tables, each once",
		flags: [...WHERE, ...FILTERS, "limit", "dry-run", "json"],
		load: async () => (await import("./dlq/replay.ts")).replayLetters,
	},
	purge: {
		form: "LOCATION [LETTER...]",
		does: "take replayed and superseded ones out of the table; open ones by --status open, or by name",
		flags: [...WHERE, ...FILTERS, "status", "all", "dry-run", "json"],
		load: async () => (await import("./dlq/purge.ts")).purgeLetters,
	},
};

const ABOUT = `LOCATION is where the tables are, a local folder or s3://bucket/prefix, with AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL of the environment; or the pipeline's YAML in its
place, by -f FILE, with its Secrets. LETTER is table, partition and offset, as list has it: orders/0/123.
Exit status: 0; 2 for a wrong flag; 3 for a table that must not be read or written; 4 where a replay
leaves letters; 1 for anything else.
`;

/** @returns the exit status. @throws ConfigError for bad flags, DeltaError for a table that can't be read */
export async function dlqCommand(
	argv: readonly string[],
	stream: NodeJS.WritableStream,
): Promise<number> {
	const { flags, positionals } = parseFlags(argv);
	const [name, ...args] = positionals;
	const out = new Output(stream);
	try {
		if (name === undefined) {
			out.write(usage());
			return flags.help === true ? 0 : 2;
		}
		const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
		if (command === undefined)
			throw new ConfigError(
				`there is no command dlq ${name}${suggestion(name, Object.keys(COMMANDS)) || `; there are ${Object.keys(COMMANDS).join(", ")}`}`,
			);
		if (flags.help === true) {
			out.write(commandUsage(name, command));
			return 0;
		}
		checkFlags(name, flags, command.flags);
		return await run(command, flags, args, { out, stream });
	} finally {
		await out.flush();
	}
}

async function run(
	command: DlqCommand,
	flags: Flags,
	args: readonly string[],
	outputs: Pick<DlqContext, "out" | "stream">,
): Promise<number> {
	const context = openDlq(flags, args, outputs);
	const act = await command.load();
	return (await act(context)) ?? 0;
}

function usage(): string {
	const lines = Object.entries(COMMANDS).map(
		([name, { form, does }]) => `  ${`${name} ${form}`.padEnd(28)}${does}\n`,
	);
	return `Usage: tributary dlq COMMAND [flags]

Dead letters: records that could not become rows of a table.

${lines.join("")}
tributary dlq COMMAND --help lists the flags.

${ABOUT}`;
}

function commandUsage(name: string, { form, does, flags }: DlqCommand): string {
	const lines = [...flags, "help" as const].map((flag) => {
		const [shown, text] = FLAG_TEXT[flag];
		return `  ${shown.padEnd(22)}${text}\n`;
	});
	return `Usage: tributary dlq ${name} ${form} [flags]

${does[0]?.toUpperCase()}${does.slice(1)}.

${lines.join("")}
${ABOUT}`;
}
