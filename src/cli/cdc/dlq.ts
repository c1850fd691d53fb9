import { spawn } from "node:child_process";
import { once } from "node:events";
import { ConfigError, messageOf } from "../../errors.ts";
import { isReady } from "../../operator/cdc-pipeline/writer-condition.ts";
import {
	WRITER_CONFIG_DIR,
	WRITER_CONFIG_FILE,
	WRITER_CONTAINER,
} from "../../operator/names.ts";
import { suggestion } from "../table/nearest.ts";
import { findPipeline, writerPods } from "./cluster.ts";
import { CdcError } from "./errors.ts";
import type { Session } from "./session.ts";

const ACTIONS = ["list", "show", "replay", "purge"];
/** The entry point of the image. */
const TRIBUTARY = ["/usr/local/bin/node", "/app/dist/cli/main.js"];

/**
 * `dlq NAME [ACTION] [-- flags]`: runs `tributary dlq` in a writer's pod, which has the pipeline's
 * configuration and credentials already, so that neither has to leave the cluster.
 */
export async function deadLetters(
	session: Session,
	[name, ...given]: readonly string[],
): Promise<number> {
	const [first = "list"] = given;
	// Flags alone are those of list.
	const [action, rest] = first.startsWith("-")
		? ["list", given]
		: [first, given.slice(1)];
	if (name === undefined)
		throw new ConfigError(
			"dlq needs the NAME of a pipeline: kubectl cdc dlq shop list",
		);
	if (!ACTIONS.includes(action))
		throw new ConfigError(
			`dlq ${action} is unknown${suggestion(action, ACTIONS) || `: use ${ACTIONS.join(", ")}`}`,
		);
	const object = await findPipeline(session, name);
	const pod = (await writerPods(session, object)).find(isReady);
	if (pod === undefined)
		throw new CdcError(
			"PIPELINE_NOT_DONE",
			`${name} has no writer that is ready, in whose pod this could run: see kubectl cdc status ${name}`,
		);
	const kubectl = spawn(
		"kubectl",
		[
			...session.kubectl,
			"exec",
			"--namespace",
			pod.metadata.namespace ?? session.namespace,
			pod.metadata.name,
			"--container",
			WRITER_CONTAINER,
			"--",
			...TRIBUTARY,
			"dlq",
			action,
			"-f",
			`${WRITER_CONFIG_DIR}/${WRITER_CONFIG_FILE}`,
			...rest,
			...(session.flags.output === "json" ? ["--json"] : []),
		],
		{ stdio: ["ignore", "pipe", "inherit"] },
	);
	try {
		await once(kubectl, "spawn");
	} catch (cause) {
		throw new ConfigError(
			`kubectl can't be run: ${messageOf(cause)}; it has to be in PATH`,
			{ cause },
		);
	}
	const closed = once(kubectl, "close");
	kubectl.stdout.setEncoding("utf8");
	for await (const text of kubectl.stdout as AsyncIterable<string>) {
		session.out.write(text);
		await session.out.flush();
	}
	const [code] = (await closed) as [number | null];
	return code ?? 1;
}
