import { ConfigError } from "../../errors.ts";
import { resourcePath } from "../../kube/object.ts";
import { redactUris } from "../../observe/log.ts";
import { WRITER_CONTAINER } from "../../operator/names.ts";
import { type Pod, TYPES } from "../../operator/types.ts";
import { onlyName } from "./change.ts";
import { ask, findPipeline, writerPods } from "./cluster.ts";
import { CdcError, clusterError } from "./errors.ts";
import { duration } from "./flags.ts";
import type { Session } from "./session.ts";

export interface LogSelection {
	readonly tail: number;
	readonly sinceSeconds: number | undefined;
	readonly previous: boolean;
	readonly follow: boolean;
}

/** `logs NAME`: of the writers, each line with its pod; or the operator's about the pipeline. */
export async function showLogs(
	session: Session,
	args: readonly string[],
): Promise<void> {
	const { flags, out } = session;
	const object = await findPipeline(session, onlyName(args, "logs"));
	const selection = selectionOf(session);
	const about = `${object.metadata.namespace}/${object.metadata.name}`;
	const sources =
		flags.operator === true
			? (await operatorPods(session)).map((pod) => ({
					pod,
					keep: (line: string) => line.includes(about),
				}))
			: (await writerPods(session, object)).map((pod) => ({
					pod,
					keep: () => true,
				}));
	if (sources.length === 0)
		throw new CdcError(
			"PIPELINE_NOT_DONE",
			flags.operator === true
				? "no pod of the operator is to be seen: it does not run, or in a namespace that you may not list"
				: `${about} has no writer pods now: see kubectl cdc status ${object.metadata.name}`,
		);
	const prefix = sources.length > 1;
	let lines = 0;
	await Promise.all(
		sources.map(async ({ pod, keep }) => {
			for await (const line of logLines(session, pod, selection)) {
				if (!keep(line)) continue;
				lines++;
				out.write(
					`${prefix ? `[${pod.metadata.name}] ` : ""}${redactUris(line)}\n`,
				);
				if (selection.follow || out.full) await out.flush();
			}
		}),
	);
	if (lines === 0 && flags.operator === true)
		out.write(
			`the operator says nothing about ${about} in its last ${selection.tail} lines; it logs what fails\n`,
		);
}

function selectionOf({ flags }: Session): LogSelection {
	// Few lines of the operator are about one pipeline.
	const tail = flags.tail ?? (flags.operator === true ? "10000" : "200");
	if (!/^\d{1,7}$/.test(tail))
		throw new ConfigError(`--tail ${tail} is no number of lines`);
	return {
		tail: Number(tail),
		sinceSeconds:
			flags.since === undefined
				? undefined
				: Math.max(1, Math.ceil(duration("since", flags.since) / 1000)),
		previous: flags.previous === true,
		follow: flags.follow === true,
	};
}

/** Lines of a pod's container. @throws CdcError */
export async function* logLines(
	{ client }: Session,
	{ metadata }: Pod,
	{ tail, sinceSeconds, previous, follow }: LogSelection,
): AsyncGenerator<string> {
	try {
		yield* client.lines({
			path: resourcePath(TYPES.pod, {
				namespace: metadata.namespace ?? "",
				name: metadata.name,
				subresource: "log",
			}),
			query: {
				container:
					metadata.labels?.["app.kubernetes.io/component"] === "operator"
						? undefined
						: WRITER_CONTAINER,
				tailLines: tail,
				sinceSeconds,
				previous: previous || undefined,
				follow: follow || undefined,
			},
		});
	} catch (error) {
		throw clusterError(error, {
			verb: "get",
			resource: "pods/log",
			namespace: metadata.namespace,
		});
	}
}

const OPERATOR_SELECTOR =
	"app.kubernetes.io/name=tributary,app.kubernetes.io/component=operator";

/** Wherever it runs. */
export async function operatorPods(session: Session): Promise<readonly Pod[]> {
	const { items } = await ask<{ items: Pod[] }>(
		session,
		{ verb: "list", resource: "pods" },
		{
			path: resourcePath(TYPES.pod),
			query: { labelSelector: OPERATOR_SELECTOR },
		},
	);
	return items;
}
