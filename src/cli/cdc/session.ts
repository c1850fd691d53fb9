import { KubeConfig } from "@kubernetes/client-node";
import { ConfigError, messageOf } from "../../errors.ts";
import { type ApiClient, createApiClient } from "../../kube/client.ts";
import { nearest } from "../table/nearest.ts";
import type { Output } from "../table/output.ts";
import type { Flags } from "./flags.ts";

/** What every command works with. */
export interface Session {
	readonly client: ApiClient;
	readonly namespace: string;
	readonly flags: Flags;
	readonly out: Output;
	/** Milliseconds since the epoch. */
	readonly now: () => number;
	/** Flags that make kubectl speak with the same cluster. */
	readonly kubectl: readonly string[];
}

/** @throws ConfigError for a kubeconfig, context, cluster or user that is not there */
export function openSession(flags: Flags, out: Output): Session {
	const config = readConfig(flags.kubeconfig);
	choose(config, flags);
	const server = config.getCurrentCluster()?.server;
	if (
		server === undefined ||
		// What the library takes where it finds nothing.
		(server === "http://localhost:8080" && config.getUsers().length === 0)
	)
		throw new ConfigError(
			"there is no cluster to speak with: set KUBECONFIG or --kubeconfig, and --context where it has no current one",
		);
	const context = config.getContextObject(config.getCurrentContext());
	const namespace = flags.namespace ?? context?.namespace ?? "default";
	return {
		client: createApiClient(config, { userAgent: "kubectl-cdc" }),
		namespace,
		flags,
		out,
		now: Date.now,
		kubectl: (["kubeconfig", "context", "cluster", "user"] as const).flatMap(
			(flag) => {
				const value = flags[flag];
				return value === undefined ? [] : [`--${flag}=${value}`];
			},
		),
	};
}

function readConfig(file: string | undefined): KubeConfig {
	const config = new KubeConfig();
	try {
		if (file === undefined) config.loadFromDefault();
		else config.loadFromFile(file);
	} catch (cause) {
		throw new ConfigError(
			`the kubeconfig ${file ?? process.env.KUBECONFIG ?? "~/.kube/config"} can't be read: ${messageOf(cause)}`,
			{ cause },
		);
	}
	// As of kubectl proxy: there is no TLS to verify, but the library asks for it.
	config.clusters = config.clusters.map((cluster) =>
		cluster.server.startsWith("http:")
			? { ...cluster, skipTLSVerify: true }
			: cluster,
	);
	return config;
}

function choose(config: KubeConfig, flags: Flags): void {
	if (flags.context !== undefined) {
		oneOf("context", flags.context, config.getContexts());
		config.setCurrentContext(flags.context);
	}
	if (flags.cluster === undefined && flags.user === undefined) return;
	const now = config.getContextObject(config.getCurrentContext());
	const cluster = flags.cluster ?? now?.cluster ?? "";
	const user = flags.user ?? now?.user ?? "";
	oneOf("cluster", cluster, config.getClusters());
	oneOf("user", user, config.getUsers());
	const name = `${cluster}/${user} (kubectl-cdc)`;
	config.addContext({
		name,
		cluster,
		user,
		...(now?.namespace !== undefined && { namespace: now.namespace }),
	});
	config.setCurrentContext(name);
}

function oneOf(
	what: "context" | "cluster" | "user",
	name: string,
	all: readonly { readonly name: string }[],
): void {
	const names = all.map((one) => one.name);
	if (names.includes(name)) return;
	const near = nearest(name, names);
	throw new ConfigError(
		`the kubeconfig has no ${what} ${name}${near === undefined ? `; it has ${names.join(", ") || "none"}` : `; did you mean ${near}?`}`,
	);
}
