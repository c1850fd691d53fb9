import { ApiError, type ApiRequest } from "../../kube/client.ts";
import { type ResourceType, resourcePath } from "../../kube/object.ts";
import { LABELS } from "../../operator/names.ts";
import { type PipelineObject, type Pod, TYPES } from "../../operator/types.ts";
import { API_VERSION } from "../../resource/api.ts";
import { type CdcPipeline, cdcPipeline } from "../../resource/cdc-pipeline.ts";
import { parseHeld } from "../../resource/held.ts";
import { suggestion } from "../table/nearest.ts";
import { type Asked, CdcError, clusterError } from "./errors.ts";
import type { Session } from "./session.ts";

/** Who changes specifications from here, as `managedFields` tell it. */
export const FIELD_MANAGER = "kubectl-cdc";

export function resourceName({ group, plural }: ResourceType): string {
	return group === "" ? plural : `${plural}.${group}`;
}

/** @throws CdcError in the words of RBAC where the API server refuses */
export async function ask<T>(
	{ client }: Session,
	asked: Asked,
	request: ApiRequest,
): Promise<T> {
	try {
		return await client.request<T>(request);
	} catch (error) {
		throw clusterError(error, asked);
	}
}

/** With every default; `undefined` for a specification that can't be worked with. */
export function parsed(object: PipelineObject): CdcPipeline | undefined {
	return parseHeld(cdcPipeline, object).data;
}

/** @throws CdcError PIPELINE_NOT_FOUND with the nearest name, or where else it is */
export async function findPipeline(
	session: Session,
	name: string,
): Promise<PipelineObject> {
	const { client, namespace } = session;
	try {
		return await client.request<PipelineObject>({
			path: resourcePath(TYPES.pipeline, { namespace, name }),
		});
	} catch (error) {
		if (error instanceof ApiError && error.status === 404)
			throw await notFound(session, name, error);
		throw clusterError(error, {
			verb: "get",
			resource: resourceName(TYPES.pipeline),
			namespace,
		});
	}
}

async function notFound(
	session: Session,
	name: string,
	cause: ApiError,
): Promise<CdcError> {
	const { namespace } = session;
	const here = await others(session, namespace);
	if (here === "none") return withoutTributary(cause);
	const near = suggestion(
		name,
		here.map(({ metadata }) => metadata.name),
	);
	const elsewhere = (await others(session, undefined)) as PipelineObject[];
	const place = elsewhere.find(({ metadata }) => metadata.name === name)
		?.metadata.namespace;
	return new CdcError(
		"PIPELINE_NOT_FOUND",
		`there is no CdcPipeline ${name} in namespace ${namespace}${
			place !== undefined
				? `, but one in namespace ${place}: use -n ${place}`
				: near !== ""
					? near
					: here.length === 0
						? "; there are none"
						: `; there are ${here.map(({ metadata }) => metadata.name).join(", ")}`
		}`,
		{ cause },
	);
}

/** "none" where the cluster does not know the kind; nothing where it may not be listed. */
async function others(
	{ client }: Session,
	namespace: string | undefined,
): Promise<readonly PipelineObject[] | "none"> {
	try {
		const { items } = await client.request<{ items: PipelineObject[] }>({
			path: resourcePath(
				TYPES.pipeline,
				namespace === undefined ? {} : { namespace },
			),
		});
		return items;
	} catch (error) {
		if (error instanceof ApiError && error.status === 404) return "none";
		// It is but a hint that this is for.
		return [];
	}
}

function withoutTributary(cause: unknown): CdcError {
	return new CdcError(
		"CLUSTER_WITHOUT_TRIBUTARY",
		"this cluster knows no CdcPipeline: install Tributary (docs/how-to/install.md), or use another --context",
		{ cause },
	);
}

/** Those of the namespace, or of all. */
export async function listPipelines(
	session: Session,
): Promise<readonly PipelineObject[]> {
	const everywhere = session.flags["all-namespaces"] === true;
	const { namespace } = session;
	try {
		const { items } = await session.client.request<{
			items: PipelineObject[];
		}>({
			path: resourcePath(TYPES.pipeline, everywhere ? {} : { namespace }),
		});
		// Items of a list carry neither.
		return items.map((item) => ({
			...item,
			apiVersion: API_VERSION,
			kind: TYPES.pipeline.kind,
		}));
	} catch (error) {
		if (error instanceof ApiError && error.status === 404)
			throw withoutTributary(error);
		throw clusterError(error, {
			verb: "list",
			resource: resourceName(TYPES.pipeline),
			...(!everywhere && { namespace }),
		});
	}
}

/** The writers' pods of a pipeline, by name. */
export async function writerPods(
	session: Session,
	{ metadata }: PipelineObject,
): Promise<readonly Pod[]> {
	const { namespace = session.namespace, name } = metadata;
	const { items } = await ask<{ items: Pod[] }>(
		session,
		{ verb: "list", resource: "pods", namespace },
		{
			path: resourcePath(TYPES.pod, { namespace }),
			query: {
				labelSelector: `${LABELS.pipeline}=${name},${LABELS.component}=writer`,
			},
		},
	);
	return [...items].sort((a, b) =>
		a.metadata.name < b.metadata.name ? -1 : 1,
	);
}

export interface ClusterEvent {
	readonly type?: string;
	readonly reason?: string;
	readonly note?: string;
	readonly eventTime?: string | null;
	readonly deprecatedLastTimestamp?: string | null;
	readonly metadata: { readonly creationTimestamp?: string };
	readonly regarding?: { readonly kind?: string; readonly name?: string };
}

/** Events about the pipeline, and warnings about what goes with it, oldest first. */
export async function pipelineEvents(
	session: Session,
	{ metadata }: PipelineObject,
): Promise<readonly ClusterEvent[]> {
	const { namespace = session.namespace, name } = metadata;
	const { items } = await ask<{ items: ClusterEvent[] }>(
		session,
		{ verb: "list", resource: "events.events.k8s.io", namespace },
		{
			path: resourcePath(
				{
					group: "events.k8s.io",
					version: "v1",
					kind: "Event",
					plural: "events",
				},
				{ namespace },
			),
		},
	);
	const writer = new RegExp(`^${name}-writer(-[0-9]+)?$`);
	return items
		.filter(({ regarding, type }) =>
			regarding?.kind === TYPES.pipeline.kind
				? regarding.name === name
				: type !== "Normal" && writer.test(regarding?.name ?? ""),
		)
		.sort((a, b) => (eventTime(a) < eventTime(b) ? -1 : 1));
}

export function eventTime(event: ClusterEvent): string {
	return (
		event.deprecatedLastTimestamp ??
		event.eventTime ??
		event.metadata.creationTimestamp ??
		""
	);
}
