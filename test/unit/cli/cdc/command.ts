import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { stringify } from "yaml";
import { cdcCommand } from "../../../../src/cli/cdc.ts";
import { TestApiServer } from "../../kube/api-server.ts";

export interface Cdc {
	readonly server: TestApiServer;
	readonly dir: string;
	/** What `kubectl cdc` prints, and its exit status. @throws as the command */
	run(...argv: readonly string[]): Promise<{ text: string; status: number }>;
	/** The code and the message that it fails with. */
	failure(...argv: readonly string[]): Promise<string>;
	stop(): Promise<void>;
}

/** A test API server, and a kubeconfig whose current context has the namespace `data`. */
export async function startCdc(): Promise<Cdc> {
	const server = new TestApiServer();
	await server.start();
	const dir = await mkdtemp(join(tmpdir(), "kubectl-cdc-"));
	const kubeconfig = join(dir, "config");
	await writeFile(
		kubeconfig,
		stringify({
			apiVersion: "v1",
			kind: "Config",
			clusters: [{ name: "test", cluster: { server: server.url } }],
			users: [{ name: "me", user: { token: "t" } }],
			contexts: [
				{
					name: "work",
					context: { cluster: "test", user: "me", namespace: "data" },
				},
			],
			"current-context": "work",
		}),
	);

	async function run(
		...argv: readonly string[]
	): Promise<{ text: string; status: number }> {
		let text = "";
		const status = await cdcCommand(
			argv.includes("--kubeconfig")
				? argv
				: ["--kubeconfig", kubeconfig, ...argv],
			new Writable({
				write: (chunk: Buffer, _encoding, done) => {
					text += chunk.toString();
					done();
				},
			}),
		);
		return { text, status };
	}
	return {
		server,
		dir,
		run,
		failure: async (...argv) => {
			try {
				const { text } = await run(...argv);
				throw new Error(`cdc ${argv.join(" ")} has not failed: ${text}`);
			} catch (error) {
				if (error instanceof Error && "code" in error)
					return `${String(error.code)}: ${error.message}`;
				throw error;
			}
		},
		stop: async () => {
			await server.stop();
			await rm(dir, { recursive: true, force: true });
		},
	};
}
