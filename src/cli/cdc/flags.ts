import { parseArgs } from "node:util";
import { ConfigError, messageOf } from "../../errors.ts";
import { parseDuration } from "../../resource/quantity.ts";
import { suggestion } from "../table/nearest.ts";

const OPTIONS = {
	kubeconfig: { type: "string" },
	context: { type: "string" },
	cluster: { type: "string" },
	user: { type: "string" },
	namespace: { type: "string", short: "n" },
	"all-namespaces": { type: "boolean", short: "A" },
	output: { type: "string", short: "o" },
	filename: { type: "string", short: "f", multiple: true },
	follow: { type: "boolean" },
	previous: { type: "boolean", short: "p" },
	tail: { type: "string" },
	since: { type: "string" },
	operator: { type: "boolean" },
	wait: { type: "boolean" },
	timeout: { type: "string" },
	all: { type: "boolean" },
	mode: { type: "string" },
	to: { type: "string" },
	table: { type: "string" },
	yes: { type: "boolean", short: "y" },
	help: { type: "boolean", short: "h" },
} as const;

export type Flag = keyof typeof OPTIONS;
export type Flags = ReturnType<typeof parse>["values"];

/** How a flag is shown in `--help`. */
export const FLAG_TEXT: Readonly<Record<Flag, readonly [string, string]>> = {
	kubeconfig: ["--kubeconfig FILE", "instead of KUBECONFIG or ~/.kube/config"],
	context: ["--context NAME", "of the kubeconfig, instead of the current one"],
	cluster: ["--cluster NAME", "of the kubeconfig, instead of the context's"],
	user: ["--user NAME", "of the kubeconfig, instead of the context's"],
	namespace: ["-n, --namespace NAME", "instead of the context's"],
	"all-namespaces": ["-A, --all-namespaces", "the pipelines of all of them"],
	output: ["-o, --output json", "for machines"],
	filename: ["-f, --filename FILE", "YAML; - is standard input"],
	follow: ["--follow", "go on as lines come"],
	previous: ["-p, --previous", "of the containers that ended last"],
	tail: ["--tail N", "only the last N lines of each pod (200)"],
	since: ["--since 5m", "only lines that are newer"],
	operator: ["--operator", "the operator's lines about the pipeline instead"],
	wait: ["--wait", "return when it is done"],
	timeout: ["--timeout 5m", "how long to wait at most (5m)"],
	all: ["--all", "everything: the connector forgets its position (mode full)"],
	mode: ["--mode M", "incremental (default) or blocking"],
	to: ["--to PATH", "a folder, or a file that ends in .tar.gz"],
	table: ["--table NAME", "only records of this table"],
	yes: ["-y, --yes", "don't ask"],
	help: ["-h, --help", "this"],
};

/** Those of kubectl, which every command takes. */
export const CLUSTER_FLAGS = [
	"kubeconfig",
	"context",
	"cluster",
	"user",
	"namespace",
] as const satisfies readonly Flag[];

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
		throw new ConfigError(
			unknown === undefined
				? `${message}; see kubectl cdc --help`
				: `there is no flag ${unknown}${suggestion(
						unknown,
						Object.keys(OPTIONS).map((name) => `--${name}`),
					)}; see kubectl cdc --help`,
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
		if (
			!taken.includes(flag) &&
			!(CLUSTER_FLAGS as readonly Flag[]).includes(flag)
		)
			throw new ConfigError(
				`${command} takes no --${flag}; it takes ${[...taken, ...CLUSTER_FLAGS].map((each) => `--${each}`).join(", ")}`,
			);
	if (flags.output !== undefined && flags.output !== "json")
		throw new ConfigError(`--output ${flags.output} is unknown: use json`);
}

/** A duration in milliseconds. @throws ConfigError */
export function duration(flag: Flag, text: string): number {
	if (!/^[0-9]+(ms|s|m|h)$/.test(text))
		throw new ConfigError(`--${flag} ${text} is no time: write it like 90s`);
	return parseDuration(text);
}
