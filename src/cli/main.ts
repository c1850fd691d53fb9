import { messageOf, TributaryError } from "../errors.ts";
import { VERSION } from "../version.ts";

const USAGE = `Usage: tributary COMMAND [flags]

  run        run pipelines of a YAML file on this machine
  writer     consume Kafka topics and write Delta tables
  operator   run the Kubernetes operator
  ingest     load files that land in a bucket
  maintain   compact and clean up every table below a location
  table      make, read and look after a Delta table
  dlq        dead letters: list, show, replay, purge
  cdc        pipelines on a cluster; kubectl cdc is the same
  version    print the version

tributary COMMAND --help says more. For example:
  tributary run -f manifests/samples/quickstart.yaml
  tributary table read s3://lake/shop/orders --limit 10
`;

/** @returns the exit status where it is not 0 */
type Command = (
	argv: readonly string[],
	out: NodeJS.WritableStream,
) => Promise<number> | Promise<void>;

/** Loaded when called for: a writer has no use for the Kubernetes client. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
	run: async () => (await import("./run.ts")).runCommand,
	writer: async () => (await import("./writer.ts")).writerCommand,
	operator: async () => (await import("./operator.ts")).operatorCommand,
	ingest: async () => (await import("./ingest.ts")).ingestCommand,
	maintain: async () => (await import("./maintain.ts")).maintainCommand,
	table: async () => (await import("./table.ts")).tableCommand,
	dlq: async () => (await import("./dlq.ts")).dlqCommand,
	cdc: async () => (await import("./cdc.ts")).cdcCommand,
};

async function main(argv: readonly string[]): Promise<number> {
	const [name, ...rest] = argv;
	if (name === undefined || name === "--help" || name === "-h") {
		process.stdout.write(USAGE);
		return name === undefined ? 2 : 0;
	}
	if (name === "version" || name === "--version") {
		process.stdout.write(`tributary ${VERSION}\n`);
		return 0;
	}
	const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
	if (load === undefined) {
		process.stderr.write(
			`tributary: unknown command ${name}; known are ${Object.keys(COMMANDS).join(", ")} and version\n`,
		);
		return 2;
	}
	try {
		return (await (await load())(rest, process.stdout)) ?? 0;
	} catch (error) {
		if (!(error instanceof TributaryError)) throw error;
		process.stderr.write(
			`${name === "cdc" ? "kubectl cdc" : "tributary"}: ${error.code}: ${messageOf(error).replaceAll("\n", " ")}\n`,
		);
		return statusOf(error.code);
	}
}

/** 2: what was asked is wrong; 3: the table must not be read or written. */
function statusOf(code: string): number {
	if (code === "CONFIG_INVALID" || code.startsWith("EXPRESSION_")) return 2;
	return /^(DELTA|PARQUET|VARIANT)_/.test(code) ? 3 : 1;
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
	// The reader of a pipe has seen enough.
	if (error.code === "EPIPE") process.exit(0);
	throw error;
});
process.exitCode = await main(process.argv.slice(2));
