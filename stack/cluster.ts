import { execFile, execFileSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { installed } from "./cache.ts";
import { type Running, start } from "./process.ts";

const run = promisify(execFile);
const SCRIPTS = join(import.meta.dirname, "kubernetes");
const IMPORT = "ctr -a /run/containerd/containerd.sock -n k8s.io images import";

export interface Cluster extends Tools {
	/** A kubeconfig of a cluster administrator, valid in this process. */
	readonly kubeconfig: string;
	/**
	 * The node's address, for pods and for this process. What is started with it as `host` and with
	 * `netnsPid` is reached there by both.
	 */
	readonly hostAddress: string;
	/** Where pods reach a server that this process itself opens on it. */
	readonly outsideAddress: string;
	/** `undefined` where the cluster is not in namespaces of this machine. */
	readonly netnsPid: number | undefined;
	readonly logDir: string;
	/**
	 * The API server's audit log of requests by service accounts, a JSON object a line; `undefined`
	 * where there is none.
	 */
	readonly auditLog: string | undefined;
	/** Runs a command in the cluster's network, mount and pid namespaces; returns its output. */
	exec(command: string, ...args: readonly string[]): Promise<string>;
	/** Of the node and of the control plane; `undefined` where they can't be reached. */
	readonly components: ClusterComponents | undefined;
	/** Imports an OCI archive on the node. */
	loadImage(archive: string): Promise<void>;
	/** Ends the cluster, and every process in its network. */
	stop(): Promise<void>;
}

export type ClusterComponent =
	| "etcd"
	| "apiserver"
	| "controller-manager"
	| "scheduler"
	| "kubelet"
	| "containerd";

/** A component that ends is started again after a second. */
export interface ClusterComponents {
	signal(
		component: ClusterComponent,
		signal: "STOP" | "CONT" | "KILL",
	): Promise<void>;
	/** Kills it, and keeps it down until `release`. */
	hold(component: ClusterComponent): Promise<void>;
	release(component: ClusterComponent): void;
}

/**
 * A one-node Kubernetes 1.36.3 with a real kubelet and containerd, RBAC and service names; needs
 * root. It ends with this process, however that ends; what a killed run leaves (a network
 * namespace and cgroups) the next start removes. NetworkPolicy has no effect on it.
 */
export async function startCluster(options: {
	readonly dir: string;
	readonly images?: readonly string[];
	/** 0: etcd, API server and controller manager alone; no pod ever runs. */
	readonly nodes?: 0 | 1;
}): Promise<Cluster> {
	const { dir, images = [], nodes = 1 } = options;
	const state = join(dir, "cluster");
	rmSync(state, { recursive: true, force: true });
	mkdirSync(state, { recursive: true });
	const kubeconfig = join(state, "pki", "admin.kubeconfig");
	const tools = withTools(kubeconfig);
	const network = join(state, "network.json");
	const checks = [
		async () => existsSync(network) && existsSync(kubeconfig),
		() => tools.kubectl("get", "--raw", "/readyz"),
		() => tools.kubectl("get", "serviceaccount", "default"),
		async () =>
			nodes === 0 ||
			(await tools.kubectl("get", "node", "node1")).includes(" Ready"),
	];
	const running = await start(
		{
			name: "cluster",
			place: { dir },
			argv: [join(SCRIPTS, "up.sh")],
			env: {
				RUN: state,
				BIN: installed("kubernetes", "bin"),
				DNS_BIN: installed("coredns", ""),
				NODES: String(nodes),
				IMAGES: [installed("pause", "pause.tar"), ...images].join(" "),
			},
			readyTimeoutMs: 180_000,
			ready: async () => {
				for (let check = checks[0]; check !== undefined; check = checks[0]) {
					if (!(await check())) return false;
					checks.shift();
				}
				return true;
			},
		},
		{},
	).catch((error: unknown) => {
		removeNetwork(network);
		throw new Error(`the cluster's logs are in ${join(state, "log")}`, {
			cause: error,
		});
	});
	const removeAtExit = (): void => removeNetwork(network);
	process.once("exit", removeAtExit);
	const { nodeAddress, outsideAddress } = readNetwork(network);
	const netnsPid = await initOf(running);

	async function exec(
		command: string,
		...args: readonly string[]
	): Promise<string> {
		const enter = ["-t", String(netnsPid), "-n", "-m", "-p", "--"];
		return (await run("nsenter", [...enter, command, ...args], BIG)).stdout;
	}
	async function signal(
		component: ClusterComponent,
		signal: "STOP" | "CONT" | "KILL",
	): Promise<void> {
		const pid = readFileSync(join(state, `${component}.pid`), "utf8").trim();
		await exec("sh", "-c", `kill -${signal} ${pid}`);
	}
	const stopFile = (component: ClusterComponent): string =>
		join(state, `stop-${component}`);
	return {
		...tools,
		kubeconfig,
		components: {
			signal,
			hold: async (component) => {
				writeFileSync(stopFile(component), "");
				await signal(component, "KILL");
			},
			release: (component) => rmSync(stopFile(component), { force: true }),
		},
		hostAddress: nodeAddress,
		outsideAddress,
		netnsPid,
		logDir: join(state, "log"),
		auditLog: join(state, "log", "audit.log"),
		exec,
		loadImage: async (archive) => {
			const [command = "", ...args] = IMPORT.split(" ");
			await exec(command, ...args, archive);
		},
		stop: async () => {
			process.off("exit", removeAtExit);
			await running.stop("SIGKILL");
			removeNetwork(network);
		},
	};
}

export interface Tools {
	kubectl(...args: readonly string[]): Promise<string>;
	/** As `kubectl`, with text on standard input. */
	kubectlWith(input: string, ...args: readonly string[]): Promise<string>;
	helm(...args: readonly string[]): Promise<string>;
}

const BIG = { maxBuffer: 64 * 2 ** 20 };

/** kubectl and helm against a cluster; a failure's message has their standard error. */
export function withTools(kubeconfig: string): Tools {
	const bin = installed("kubectl", "bin");
	const options = {
		...BIG,
		env: { ...process.env, KUBECONFIG: kubeconfig },
	};
	return {
		kubectl: async (...args) =>
			(await run(join(bin, "kubectl"), args, options)).stdout,
		kubectlWith: async (input, ...args) => {
			const child = run(join(bin, "kubectl"), args, options);
			child.child.stdin?.end(input);
			return (await child).stdout;
		},
		helm: async (...args) =>
			(await run(join(bin, "helm"), args, options)).stdout,
	};
}

interface Network {
	readonly slot: number;
	readonly nodeAddress: string;
	readonly outsideAddress: string;
}

function readNetwork(file: string): Network {
	return JSON.parse(readFileSync(file, "utf8")) as Network;
}

function removeNetwork(file: string): void {
	if (!existsSync(file)) return;
	execFileSync(join(SCRIPTS, "down.sh"), [String(readNetwork(file).slot)]);
}

/** Pid 1 of the cluster's pid namespace, as seen from here: the only child of `unshare`. */
async function initOf(running: Running): Promise<number> {
	return Number((await run("pgrep", ["-P", String(running.pid)])).stdout);
}
