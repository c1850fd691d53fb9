import { ConfigError } from "../errors.ts";
import {
	CLUSTER_FLAGS,
	checkFlags,
	FLAG_TEXT,
	type Flag,
	parseFlags,
} from "./cdc/flags.ts";
import { openSession, type Session } from "./cdc/session.ts";
import { suggestion } from "./table/nearest.ts";
import { Output } from "./table/output.ts";

/** @returns the exit status where it is not 0 */
type Run = (
	session: Session,
	args: readonly string[],
) => Promise<number | undefined> | Promise<void>;

interface CdcCommand {
	readonly form: string;
	readonly does: string;
	readonly flags: readonly Flag[];
	/** Loaded when called for. */
	readonly load: () => Promise<Run>;
}

const WAIT: readonly Flag[] = ["wait", "timeout", "output"];

const COMMANDS: Readonly<Record<string, CdcCommand>> = {
	status: {
		form: "[NAME]",
		does: "a pipeline from its source to its tables, and what to do; without a name, all in a line each",
		flags: ["all-namespaces", "output"],
		load: async () => (await import("./cdc/status.ts")).showStatus,
	},
	plan: {
		form: "-f FILE",
		does: "what applying a file would change, in the resource, the connector and the writers; changes nothing",
		flags: ["filename", "output"],
		load: async () => (await import("./cdc/plan.ts")).showPlan,
	},
	pause: {
		form: "NAME",
		does: "the connector is paused, the writers commit what they hold and end",
		flags: WAIT,
		load: async () => (await import("./cdc/change.ts")).setState("paused"),
	},
	stop: {
		form: "NAME",
		does: "as pause, and the connector's tasks end too: no connection to the source is left",
		flags: WAIT,
		load: async () => (await import("./cdc/change.ts")).setState("stopped"),
	},
	resume: {
		form: "NAME",
		does: "go on where the tables end",
		flags: WAIT,
		load: async () => (await import("./cdc/change.ts")).setState("running"),
	},
	restart: {
		form: "NAME",
		does: "restart the connector with its tasks, and the writers one by one",
		flags: WAIT,
		load: async () => (await import("./cdc/change.ts")).restart,
	},
	resnapshot: {
		form: "NAME TABLE...",
		does: "read tables of the source again beside the stream, or with --all everything from the start",
		flags: ["mode", "all", "yes", ...WAIT],
		load: async () => (await import("./cdc/change.ts")).resnapshot,
	},
	tables: {
		form: "NAME",
		does: "its tables, their versions and last commits",
		flags: ["output"],
		load: async () => (await import("./cdc/tables.ts")).showTables,
	},
	logs: {
		form: "NAME",
		does: "lines of its writers",
		flags: ["follow", "previous", "tail", "since", "operator"],
		load: async () => (await import("./cdc/logs.ts")).showLogs,
	},
	dlq: {
		form: "NAME [ACTION] [-- FLAGS]",
		does: "dead letters: list, show, replay or purge, as tributary dlq does, in a writer's pod",
		flags: ["output"],
		load: async () => (await import("./cdc/dlq.ts")).deadLetters,
	},
	report: {
		form: "NAME",
		does: "resources, events, logs and the connector in one archive for whoever helps, secrets masked",
		flags: ["to", "output"],
		load: async () => (await import("./cdc/report.ts")).makeReport,
	},
};

const STATUSES = `Exit status: 0; 1 where the cluster or the pipeline refuses or does not get there; 2 for a wrong flag or
file; 3 where status finds a pipeline that is not as it is meant to be, or plan a change.
`;

/** `kubectl cdc`, which is `tributary cdc`. @throws TributaryError */
export async function cdcCommand(
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
				`there is no command ${name}${suggestion(name, Object.keys(COMMANDS)) || `; there are ${Object.keys(COMMANDS).join(", ")}`}`,
			);
		if (flags.help === true) {
			out.write(commandUsage(name, command));
			return 0;
		}
		checkFlags(name, flags, command.flags);
		const run = await command.load();
		return (await run(openSession(flags, out), args)) ?? 0;
	} finally {
		await out.flush();
	}
}

function usage(): string {
	const lines = Object.entries(COMMANDS).map(
		([name, { form, does }]) => `  ${`${name} ${form}`.padEnd(28)}${does}\n`,
	);
	return `Usage: kubectl cdc COMMAND [flags]

${lines.join("")}
kubectl cdc COMMAND --help lists the flags.

${STATUSES}`;
}

function commandUsage(name: string, command: CdcCommand): string {
	const lines = [...command.flags, ...CLUSTER_FLAGS, "help" as const].map(
		(flag) => {
			const [form, text] = FLAG_TEXT[flag];
			return `  ${form.padEnd(26)}${text}\n`;
		},
	);
	const { form, does } = command;
	return `Usage: kubectl cdc ${name} ${form} [flags]

${does[0]?.toUpperCase()}${does.slice(1)}.

${lines.join("")}
${STATUSES}`;
}
