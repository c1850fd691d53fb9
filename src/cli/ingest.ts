import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { ConfigError, messageOf, TributaryError } from "../errors.ts";
import { runIngestion } from "../ingest/run.ts";
import { FILE_STATUSES, type FileStatus, retryFiles } from "../ingest/state.ts";
import { createLogger } from "../observe/log.ts";
import { openIngestion, readIngestion, STATE_VARIABLE } from "./ingest/open.ts";
import { serveIngestion } from "./ingest/serve.ts";
import {
	runText,
	showCheck,
	showFiles,
	showRuns,
	showStatus,
} from "./ingest/show.ts";
import { leaveMessage } from "./termination.ts";

const DEFAULT_PORT = 8001;

export const INGEST_USAGE = `Usage: tributary ingest run|status|files|runs|retry|check -f FILE [flags]

Loads files that land in a bucket into a Delta table, each file exactly once. FILE holds a
FileIngestion, and Secrets where it refers to some.

  run      looks at the source once, and loads what is new or changed; with --watch again and again
  status   where the ingestion stands
  files    its files: what became of each, and why
  runs     its history
  retry    has failed files loaded again by the next run, all or those that are named
  check    tries source, table and state, and reads the first file

  -f, --file FILE    the FileIngestion; repeat for Secrets in files of their own
  --state PLACE      a folder, or postgres://user:password@host/database; ${STATE_VARIABLE}.
                     Without it spec.state counts, else ./.tributary/ingest/NAMESPACE.NAME
  --watch            run: until Ctrl-C, by spec.interval or spec.schedule
  --port N           run --watch: health, metrics, status and the API (${DEFAULT_PORT})
  --status S         files: only ${FILE_STATUSES.join(", ")}
  --limit N          files, runs: so many (100)
  --json             for machines
  --help

The environment wins over the files: TRIBUTARY_SECRET_<NAME>_<KEY> is a value of a Secret.
Exit status 1 when a run failed or loaded not every file.
`;

/** @returns the exit status @throws ConfigError for bad flags */
export async function ingestCommand(
	argv: readonly string[],
	out: { write(text: string): void },
): Promise<number> {
	const { values: flags, positionals } = parse(argv);
	if (flags.help === true) {
		out.write(INGEST_USAGE);
		return 0;
	}
	const [verb, ...rest] = positionals;
	const command = commandOf(verb, rest);
	if (flags.file === undefined)
		throw new ConfigError(
			`tributary ingest ${command} needs a file: -f ingestion.yaml`,
		);
	const limit = wholeNumber("limit", flags.limit, 100_000) ?? 100;
	const status = statusOf(flags.status);
	const port = wholeNumber("port", flags.port, 65_535);
	const json = flags.json === true;
	const log = createLogger({
		level:
			process.env.LOG_LEVEL ??
			(command === "run" && flags.watch === true ? "info" : "error"),
		name: "ingest",
	});
	const { file: files, state } = flags;
	if (command === "run" && flags.watch === true)
		try {
			await serveIngestion({
				name: readIngestion(files).ingestion.metadata.name,
				port: port ?? DEFAULT_PORT,
				log,
				open: () => openIngestion(files, { state, log }),
			});
			return 0;
		} catch (error) {
			leaveMessage(messageOf(error).slice(0, 4000));
			throw error;
		}
	const opened = await openIngestion(files, { state, log });
	const { context } = opened;
	try {
		switch (command) {
			case "run": {
				const run = await runIngestion(context, {
					id: randomUUID(),
					trigger: "manual",
				});
				out.write(json ? `${JSON.stringify(run)}\n` : `${runText(run)}\n`);
				return run.status === "SUCCESS" ? 0 : 1;
			}
			case "status":
				await showStatus(context, out, json);
				return 0;
			case "files":
				await showFiles(context, out, { status, limit, json });
				return 0;
			case "runs":
				await showRuns(context, out, { limit, json });
				return 0;
			case "retry": {
				const count = await retryFiles(
					context.db,
					context.config.id,
					rest.length === 0 ? undefined : rest,
				);
				if (count < rest.length)
					throw new TributaryError(
						"INGEST_FILE_UNKNOWN",
						`${count} of ${rest.length} files are failed or skipped ones: tributary ingest files --status FAILED lists them`,
					);
				out.write(`${count} files are loaded again by the next run\n`);
				return 0;
			}
			case "check":
				return (await showCheck(context, out, json)) ? 0 : 1;
		}
	} finally {
		await opened.close();
	}
}

const COMMANDS = ["run", "status", "files", "runs", "retry", "check"] as const;

function commandOf(
	verb: string | undefined,
	rest: readonly string[],
): (typeof COMMANDS)[number] {
	const command = COMMANDS.find((one) => one === verb);
	if (command === undefined)
		throw new ConfigError(
			`tributary ingest ${verb ?? "without a word"}: it takes ${COMMANDS.join(", ")}; see tributary ingest --help`,
		);
	if (rest.length > 0 && command !== "retry")
		throw new ConfigError(
			`tributary ingest ${command} takes no ${rest.join(" ")}; see tributary ingest --help`,
		);
	return command;
}

function parse(argv: readonly string[]) {
	try {
		return parseArgs({
			args: [...argv],
			allowPositionals: true,
			options: {
				file: { type: "string", short: "f", multiple: true },
				state: { type: "string" },
				watch: { type: "boolean" },
				port: { type: "string" },
				status: { type: "string" },
				limit: { type: "string" },
				json: { type: "boolean" },
				help: { type: "boolean", short: "h" },
			},
		});
	} catch (cause) {
		throw new ConfigError(
			`${messageOf(cause).split("\n")[0]}; see tributary ingest --help`,
			{ cause },
		);
	}
}

function wholeNumber(
	name: string,
	text: string | undefined,
	most: number,
): number | undefined {
	if (text === undefined) return undefined;
	const value = Number(text);
	if (!/^\d+$/.test(text) || value > most)
		throw new ConfigError(
			`--${name} ${text}: use a whole number up to ${most}`,
		);
	return value;
}

function statusOf(text: string | undefined): FileStatus | undefined {
	if (text === undefined) return undefined;
	const status = FILE_STATUSES.find((one) => one === text.toUpperCase());
	if (status === undefined)
		throw new ConfigError(
			`--status ${text}: use one of ${FILE_STATUSES.join(", ")}`,
		);
	return status;
}
