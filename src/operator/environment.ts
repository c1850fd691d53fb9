import { parseArgs } from "node:util";
import { ConfigError, messageOf } from "../errors.ts";
import type { WriterImage } from "./cdc-pipeline/stateful-set.ts";
import { OPERATOR_PORT } from "./names.ts";

/** How one operator process runs. */
export interface OperatorSettings {
	readonly writers: WriterImage;
	/** Empty for all. */
	readonly namespaces: readonly string[];
	/** Where the lease and the operator itself live. */
	readonly ownNamespace: string;
	readonly identity: string;
	readonly leaderElection: boolean;
	readonly port: number;
	readonly workers: number;
}

export const OPERATOR_USAGE = `Usage: tributary operator [flags]

Runs the operator against the cluster of the pod or of KUBECONFIG.

  --watch-namespace NAME   only this namespace; repeat for more     WATCH_NAMESPACE (comma-separated)
  --namespace NAME         of the leader's lease                    POD_NAMESPACE
  --image IMAGE            of the writer pods                       TRIBUTARY_IMAGE
  --image-pull-policy P    of the writer pods                       TRIBUTARY_IMAGE_PULL_POLICY
  --image-pull-secret NAME in each pipeline's namespace; repeatable  TRIBUTARY_IMAGE_PULL_SECRETS (comma-separated)
  --metrics-port N         /healthz, /readyz, /metrics (${OPERATOR_PORT})       METRICS_PORT
  --workers N              reconciles at a time (8)                 WORKERS
  --no-leader-election     for a single process                     LEADER_ELECTION=false
  --help
`;

type Environment = Readonly<Record<string, string | undefined>>;

/** Flags win over the environment. @throws ConfigError naming the flag or the variable. */
export function operatorSettings(
	argv: readonly string[],
	env: Environment,
	defaults: { hostname: string },
): OperatorSettings {
	const flags = parse(argv);
	const image = flags.image ?? env.TRIBUTARY_IMAGE ?? "";
	if (image === "")
		throw new ConfigError(
			"no image for the writer pods: set TRIBUTARY_IMAGE or --image to the image of this operator",
		);
	return {
		writers: {
			image,
			pullPolicy: pullPolicy(
				flags["image-pull-policy"] ??
					env.TRIBUTARY_IMAGE_PULL_POLICY ??
					"IfNotPresent",
			),
			pullSecrets: names(
				flags["image-pull-secret"],
				env.TRIBUTARY_IMAGE_PULL_SECRETS,
			),
			logLevel: env.LOG_LEVEL ?? "info",
		},
		namespaces: names(flags["watch-namespace"], env.WATCH_NAMESPACE),
		ownNamespace: flags.namespace ?? env.POD_NAMESPACE ?? "default",
		identity: `${env.POD_NAME ?? defaults.hostname}_${crypto.randomUUID()}`,
		leaderElection:
			!flags["no-leader-election"] && env.LEADER_ELECTION !== "false",
		port: count(
			"METRICS_PORT",
			flags["metrics-port"] ?? env.METRICS_PORT ?? String(OPERATOR_PORT),
			65_535,
		),
		workers: Math.max(
			1,
			count("WORKERS", flags.workers ?? env.WORKERS ?? "8", 100),
		),
	};
}

function parse(argv: readonly string[]) {
	try {
		return parseArgs({
			args: [...argv],
			options: {
				"watch-namespace": { type: "string", multiple: true },
				namespace: { type: "string" },
				image: { type: "string" },
				"image-pull-policy": { type: "string" },
				"image-pull-secret": { type: "string", multiple: true },
				"metrics-port": { type: "string" },
				workers: { type: "string" },
				"no-leader-election": { type: "boolean" },
			},
		}).values;
	} catch (error) {
		throw new ConfigError(
			`tributary operator: ${messageOf(error)}; see tributary operator --help`,
			{ cause: error },
		);
	}
}

/** Names from flags, or else from a variable with commas. */
function names(
	flags: readonly string[] | undefined,
	variable: string | undefined,
): string[] {
	return (flags ?? (variable ?? "").split(","))
		.map((name) => name.trim())
		.filter((name) => name !== "");
}

function pullPolicy(text: string): WriterImage["pullPolicy"] {
	if (text === "Always" || text === "IfNotPresent" || text === "Never")
		return text;
	throw new ConfigError(
		`image pull policy ${JSON.stringify(text)}: use Always, IfNotPresent or Never`,
	);
}

function count(name: string, text: string, max: number): number {
	const value = Number(text);
	if (!/^\d+$/.test(text) || value > max)
		throw new ConfigError(
			`${name}=${JSON.stringify(text)}: use a whole number up to ${max}`,
		);
	return value;
}
