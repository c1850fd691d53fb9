import { ConfigError } from "../../errors.ts";
import { resourcePath } from "../../kube/object.ts";
import { ANNOTATIONS } from "../../operator/names.ts";
import { type PipelineObject, TYPES } from "../../operator/types.ts";
import {
	ask,
	FIELD_MANAGER,
	findPipeline,
	resourceName,
	writerPods,
} from "./cluster.ts";
import { CdcError } from "./errors.ts";
import { duration } from "./flags.ts";
import type { Session } from "./session.ts";

/** `pause`, `resume` and `stop`: what the pipeline is to be. */
export function setState(
	state: "running" | "paused" | "stopped",
): (session: Session, args: readonly string[]) => Promise<void> {
	return async (session, args) => {
		const name = onlyName(args, `a change to ${state}`);
		const before = await findPipeline(session, name);
		await patchSpec(session, before, { state });
		await told(session, before, `${name} is to be ${state}`, ({ status }) => ({
			done:
				status?.phase?.toLowerCase() === state &&
				(state !== "paused" || status.replicas === 0),
			now: `${status?.phase ?? "Pending"}${status?.replicas ? `, ${status.replicas} writers` : ""}`,
		}));
	};
}

/** `restart`: the connector with its tasks, and the writers one by one. */
export async function restart(
	session: Session,
	args: readonly string[],
): Promise<void> {
	const name = onlyName(args, "restart");
	const before = await findPipeline(session, name);
	const { state } = before.spec as { state?: string };
	if (state === "paused" || state === "stopped")
		throw new CdcError(
			"PIPELINE_NOT_DONE",
			`${name} is ${state}: nothing runs that could be restarted; kubectl cdc resume ${name} starts it`,
		);
	const nonce = newNonce(session);
	await patchSpec(session, before, { actions: { restart: nonce } });
	await told(
		session,
		before,
		`${name}: connector and writers are restarted (${nonce})`,
		async (object) => {
			const { status } = object;
			if (status?.actions?.restart?.nonce !== nonce)
				return { done: false, now: "the operator has not taken it up" };
			const writer = status.conditions?.find(
				({ type }) => type === "WriterReady",
			);
			const old = await oldWriters(session, object, nonce);
			return {
				done:
					old === 0 &&
					status.phase === "Running" &&
					writer?.reason === "WritersReady",
				now: `${status.phase}: ${old > 0 ? `${old} writers are still to be replaced` : (writer?.message ?? "")}`,
			};
		},
	);
}

/** Writers that were there before the restart. */
async function oldWriters(
	session: Session,
	object: PipelineObject,
	nonce: string,
): Promise<number> {
	const pods = await writerPods(session, object);
	return pods.filter(
		({ metadata }) => metadata.annotations?.[ANNOTATIONS.restart] !== nonce,
	).length;
}

/** `resnapshot NAME TABLE…`, or `--all`. */
export async function resnapshot(
	session: Session,
	args: readonly string[],
): Promise<void> {
	const { flags } = session;
	const [name, ...tables] = args;
	if (name === undefined)
		throw new ConfigError(
			"resnapshot needs the NAME of a pipeline and the TABLEs: kubectl cdc resnapshot shop shop.orders",
		);
	const all = flags.all === true;
	if (all && tables.length > 0)
		throw new ConfigError(
			`--all reads every table: leave out ${tables.join(", ")}, or --all`,
		);
	if (all && flags.mode !== undefined)
		throw new ConfigError("--all has a mode of its own: leave out --mode");
	const mode = all ? "full" : (flags.mode ?? "incremental");
	if (!all && mode !== "incremental" && mode !== "blocking")
		throw new ConfigError(
			`--mode ${mode} is unknown: use incremental or blocking, or --all`,
		);
	const before = await findPipeline(session, name);
	if (!all && tables.length === 0)
		throw new ConfigError(
			`which table? ${name} captures ${includeOf(before).join(", ")}; or --all`,
		);
	if (all && flags.yes !== true)
		throw new ConfigError(
			`--all makes the connector of ${name} forget its position and read every table from the start: add --yes`,
		);
	const nonce = newNonce(session);
	await patchSpec(session, before, {
		actions: { resnapshot: { nonce, mode, tables } },
	});
	await told(
		session,
		before,
		`${name}: ${mode} snapshot of ${all ? "everything" : tables.join(", ")} is asked for (${nonce})`,
		({ status }) => {
			const now = status?.actions?.resnapshot;
			if (now?.nonce !== nonce)
				return { done: false, now: "the operator has not taken it up" };
			if (now.state === "Failed" || now.state === "Ignored")
				throw new CdcError(
					"PIPELINE_NOT_DONE",
					`the snapshot ${nonce} of ${name} failed: ${now.message ?? "no reason was given"}`,
				);
			return {
				done: now.state === "Completed",
				now: `${now.state}${now.rows === undefined ? "" : `, ${now.rows} rows`}${now.message === undefined ? "" : `: ${now.message}`}`,
			};
		},
	);
}

function includeOf({ spec }: PipelineObject): readonly string[] {
	const { source } = spec as { source?: { include?: readonly string[] } };
	return source?.include ?? [];
}

/** A date, so that a person sees in the specification when it was asked for. */
function newNonce({ now }: Session): string {
	return new Date(now()).toISOString();
}

export function onlyName(args: readonly string[], command: string): string {
	const [name, ...more] = args;
	if (name === undefined)
		throw new ConfigError(
			`${command} needs the NAME of a pipeline; kubectl cdc status lists them`,
		);
	if (more.length > 0)
		throw new ConfigError(
			`${command} takes one NAME; ${more.join(" ")} is too much`,
		);
	return name;
}

function patchSpec(
	session: Session,
	{ metadata }: PipelineObject,
	spec: object,
): Promise<PipelineObject> {
	const { name, namespace = session.namespace } = metadata;
	return ask(
		session,
		{ verb: "patch", resource: resourceName(TYPES.pipeline), namespace },
		{
			method: "PATCH",
			path: resourcePath(TYPES.pipeline, { namespace, name }),
			query: { fieldManager: FIELD_MANAGER, fieldValidation: "Strict" },
			contentType: "application/merge-patch+json",
			body: { spec },
		},
	);
}

const LOOK_MS = 1_000;
const TIMEOUT = "5m";

interface Looked {
	readonly done: boolean;
	readonly now: string;
}

/** Says what was asked for; with `--wait`, follows it to its end. */
async function told(
	session: Session,
	{ metadata }: PipelineObject,
	asked: string,
	look: (object: PipelineObject) => Looked | Promise<Looked>,
): Promise<void> {
	const { out, flags } = session;
	const json = flags.output === "json";
	if (!json) {
		out.write(`${asked}\n`);
		await out.flush();
	}
	const limit = duration("timeout", flags.timeout ?? TIMEOUT);
	const until = performance.now() + limit;
	let said = "";
	let object = await findPipeline(session, metadata.name);
	while (flags.wait === true) {
		const { done, now } = await look(object);
		if (now !== said && !json) {
			out.write(`  ${now}\n`);
			await out.flush();
		}
		said = now;
		if (
			done &&
			object.status?.observedGeneration === object.metadata.generation
		)
			break;
		if (performance.now() >= until)
			throw new CdcError(
				"PIPELINE_NOT_DONE",
				`${asked}, but not done after ${flags.timeout ?? TIMEOUT}: ${now}; see kubectl cdc status ${metadata.name}`,
			);
		await new Promise((wake) => setTimeout(wake, LOOK_MS));
		object = await findPipeline(session, metadata.name);
	}
	if (json)
		out.write(
			`${JSON.stringify({ name: metadata.name, namespace: metadata.namespace, state: (object.spec as { state?: string }).state, phase: object.status?.phase, actions: (object.spec as { actions?: object }).actions, actionsStatus: object.status?.actions }, undefined, 2)}\n`,
		);
}
