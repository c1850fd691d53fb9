import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { CACHE } from "./components.ts";

const run = promisify(execFile);
const SCRIPTS = join(import.meta.dirname, "kubernetes");
const NAMESPACE = "tributary";

export interface Cluster {
	/** A kubeconfig of a cluster administrator, valid in this process. */
	readonly kubeconfig: string;
	/** Where pods and this process reach a component that was started with `netnsPid`. */
	readonly hostAddress: string;
	readonly netnsPid: number | undefined;
	readonly logDir: string;
	kubectl(...args: readonly string[]): Promise<string>;
	/** As `kubectl`, with text on standard input. */
	kubectlWith(input: string, ...args: readonly string[]): Promise<string>;
	helm(...args: readonly string[]): Promise<string>;
	/** Imports an OCI archive on the node. */
	loadImage(archive: string): Promise<void>;
	stop(): Promise<void>;
}

/** A one-node Kubernetes 1.36.3 with a real kubelet and containerd; needs root. */
export async function startCluster(options: {
	readonly dir: string;
	readonly images?: readonly string[];
}): Promise<Cluster> {
	const state = join(options.dir, "cluster");
	mkdirSync(state, { recursive: true });
	const home = join(CACHE, "kubernetes");
	const env = {
		...process.env,
		RUN: state,
		BIN: join(home, "bin"),
		NS: NAMESPACE,
		IMAGES: [join(home, "pause.tar"), ...(options.images ?? [])].join(" "),
	};
	const down = (): void => {
		execFileSync(join(SCRIPTS, "down.sh"), { env, stdio: "ignore" });
	};
	process.once("exit", down);
	// Output goes to a file: the cluster's processes would keep a pipe open.
	await run(
		"bash",
		[
			"-c",
			'"$0" >"$RUN/log.txt" 2>&1 || { cat "$RUN/log.txt" >&2; exit 1; }',
			join(SCRIPTS, "up.sh"),
		],
		{ env },
	);
	const initPid = Number(readFileSync(join(state, "init.pid"), "utf8"));
	const kubeconfig = join(state, "pki/admin.kubeconfig");
	const tools = withTools(kubeconfig);
	return {
		...tools,
		kubeconfig,
		hostAddress: "10.222.0.1",
		netnsPid: initPid,
		logDir: join(state, "log"),
		loadImage: async (archive) => {
			await run("nsenter", [
				"-t",
				String(initPid),
				"-n",
				"-m",
				"-p",
				"--",
				"/usr/bin/ctr",
				"-a",
				"/run/containerd/containerd.sock",
				"-n",
				"k8s.io",
				"images",
				"import",
				archive,
			]);
		},
		stop: () => {
			process.off("exit", down);
			down();
			return Promise.resolve();
		},
	};
}

/** kubectl and helm against a cluster; a failure's message has their standard error. */
export function withTools(
	kubeconfig: string,
): Pick<Cluster, "kubectl" | "kubectlWith" | "helm"> {
	const bin = join(CACHE, "kubectl/bin");
	const env = { ...process.env, KUBECONFIG: kubeconfig };
	const options = { env, maxBuffer: 64 * 2 ** 20 };
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
