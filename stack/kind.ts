import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Cluster, withTools } from "./cluster.ts";

const run = promisify(execFile);
const NAME = "tributary-e2e";

/**
 * A kind cluster in Docker, for machines that have it: what `startCluster` gives, from another
 * source. Components listen on the gateway of kind's network, which pods and the host both reach.
 */
export async function startKindCluster(options: {
	readonly dir: string;
	readonly images?: readonly string[];
}): Promise<Cluster> {
	const logDir = join(options.dir, "log");
	mkdirSync(logDir, { recursive: true });
	const kubeconfig = join(options.dir, "kind.kubeconfig");
	await run("kind", ["delete", "cluster", "--name", NAME]);
	await run("kind", [
		"create",
		"cluster",
		"--name",
		NAME,
		"--kubeconfig",
		kubeconfig,
		"--wait",
		"120s",
	]);
	const { stdout } = await run("docker", [
		"network",
		"inspect",
		"kind",
		"--format",
		"{{range .IPAM.Config}}{{.Gateway}} {{end}}",
	]);
	const gateway = stdout
		.split(/\s+/)
		.find((address) => /^\d+(\.\d+){3}$/.test(address));
	if (gateway === undefined)
		throw new Error(`kind's network has no IPv4 gateway: ${stdout}`);
	const loadImage = async (archive: string): Promise<void> => {
		await run("kind", ["load", "image-archive", archive, "--name", NAME]);
	};
	for (const image of options.images ?? []) await loadImage(image);
	return {
		...withTools(kubeconfig),
		kubeconfig,
		hostAddress: gateway,
		outsideAddress: gateway,
		netnsPid: undefined,
		logDir,
		auditLog: undefined,
		components: undefined,
		exec: async (command, ...args) =>
			(await run("docker", ["exec", `${NAME}-control-plane`, command, ...args]))
				.stdout,
		loadImage,
		stop: async () => {
			await run("kind", ["delete", "cluster", "--name", NAME]);
		},
	};
}
