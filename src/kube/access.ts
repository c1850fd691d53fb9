import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { RequestOptions } from "node:https";
import { homedir } from "node:os";
import { dirname, join, resolve } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { parse } from "yaml";
import { z } from "zod";

/** Where an API server is, and as whom to speak with it; a `KubeConfig` is one. */
export type ApiAccess = Pick<
	KubeConfig,
	"getCurrentCluster" | "applyToHTTPSOptions"
>;

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";
/** Files are read again after so long: the kubelet replaces tokens, and authorities change. */
const FRESH_MS = 60_000;

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Access as kubectl finds it: KUBECONFIG, `~/.kube/config`, or the pod's own service account. Tokens and
 * certificates are read here, for the client library would take 75 MB of memory for the same; what else a
 * kubeconfig may hold (exec plugins, OIDC, proxies, several files) is left to it.
 *
 * @throws Error for a file that can't be read or has no current context
 */
export async function apiAccess(
	env: Environment,
	{ account = ACCOUNT, home = homedir() } = {},
): Promise<ApiAccess> {
	const own = join(home, ".kube/config");
	const file = env.KUBECONFIG || (existsSync(own) ? own : undefined);
	if (file === undefined && env.KUBERNETES_SERVICE_HOST)
		return inCluster(env, account);
	const plain =
		file === undefined || file.includes(":") ? undefined : await simple(file);
	if (plain !== undefined) return plain;
	const { KubeConfig } = await import("@kubernetes/client-node");
	const config = new KubeConfig();
	config.loadFromDefault();
	return config;
}

interface Credentials {
	readonly server: string;
	readonly verify: boolean;
	readonly serverName?: string | undefined;
	readonly ca?: Source | undefined;
	readonly cert?: Source | undefined;
	readonly key?: Source | undefined;
	readonly token?: Source | undefined;
}

type Source = () => Promise<string>;

function access({
	server,
	verify,
	serverName,
	...sources
}: Credentials): ApiAccess {
	return {
		getCurrentCluster: () => ({
			name: "cluster",
			server,
			skipTLSVerify: !verify,
		}),
		async applyToHTTPSOptions(options: RequestOptions) {
			const [ca, cert, key, token] = await Promise.all([
				sources.ca?.(),
				sources.cert?.(),
				sources.key?.(),
				sources.token?.(),
			]);
			if (!verify) options.rejectUnauthorized = false;
			if (serverName !== undefined) options.servername = serverName;
			if (ca !== undefined) options.ca = ca;
			if (cert !== undefined) options.cert = cert;
			if (key !== undefined) options.key = key;
			if (token !== undefined)
				options.headers = {
					...(options.headers as Record<string, string> | undefined),
					authorization: `Bearer ${token.trim()}`,
				};
		},
	};
}

function inCluster(env: Environment, account: string): ApiAccess {
	const host = env.KUBERNETES_SERVICE_HOST ?? "";
	const name = host.includes(":") ? `[${host}]` : host;
	return access({
		server: `https://${name}:${env.KUBERNETES_SERVICE_PORT ?? "443"}`,
		verify: true,
		ca: fresh(join(account, "ca.crt")),
		token: fresh(join(account, "token")),
	});
}

const text = z.string();
/** A kubeconfig whose current context needs nothing but tokens and certificates. */
const cluster = z.strictObject({
	server: text,
	"insecure-skip-tls-verify": z.boolean().optional(),
	"certificate-authority": text.optional(),
	"certificate-authority-data": text.optional(),
	"tls-server-name": text.optional(),
	"disable-compression": z.boolean().optional(),
	extensions: z.unknown().optional(),
});
const user = z.strictObject({
	token: text.optional(),
	tokenFile: text.optional(),
	"client-certificate": text.optional(),
	"client-certificate-data": text.optional(),
	"client-key": text.optional(),
	"client-key-data": text.optional(),
	extensions: z.unknown().optional(),
});
const kubeconfig = z.object({
	"current-context": text,
	contexts: z.array(
		z.object({ name: text, context: z.object({ cluster: text, user: text }) }),
	),
	clusters: z.array(z.object({ name: text, cluster: z.unknown() })),
	users: z.array(z.object({ name: text, user: z.unknown() })),
});

async function simple(path: string): Promise<ApiAccess | undefined> {
	const config = kubeconfig.safeParse(parse(await readFile(path, "utf8")));
	if (!config.success) return undefined;
	const { contexts, clusters, users } = config.data;
	const context = contexts.find(
		({ name }) => name === config.data["current-context"],
	)?.context;
	const at = cluster.safeParse(
		clusters.find(({ name }) => name === context?.cluster)?.cluster,
	);
	const as = user.safeParse(
		users.find(({ name }) => name === context?.user)?.user ?? {},
	);
	if (!at.success || !as.success) return undefined;
	const file = (name: string | undefined): Source | undefined =>
		name === undefined ? undefined : fresh(resolve(dirname(path), name));
	const here = (
		value: string | undefined,
		encoding: BufferEncoding,
	): Source | undefined => {
		if (value === undefined) return undefined;
		const decoded = Buffer.from(value, encoding).toString();
		return async () => decoded;
	};
	return access({
		server: at.data.server.replace(/\/+$/, ""),
		verify: at.data["insecure-skip-tls-verify"] !== true,
		serverName: at.data["tls-server-name"],
		ca:
			here(at.data["certificate-authority-data"], "base64") ??
			file(at.data["certificate-authority"]),
		cert:
			here(as.data["client-certificate-data"], "base64") ??
			file(as.data["client-certificate"]),
		key:
			here(as.data["client-key-data"], "base64") ?? file(as.data["client-key"]),
		token: here(as.data.token, "utf8") ?? file(as.data.tokenFile),
	});
}

/** The content of a file, read again when it may have been replaced. */
function fresh(path: string): Source {
	let known: { text: Promise<string>; at: number } | undefined;
	return () => {
		const now = performance.now();
		if (known === undefined || now - known.at > FRESH_MS) {
			const read = { text: readFile(path, "utf8"), at: now };
			known = read;
			// One that could not be read is tried again by the next request.
			read.text.catch(() => {
				if (known === read) known = undefined;
			});
		}
		return known.text;
	};
}
