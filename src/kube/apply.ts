import { createHash } from "node:crypto";
import { type ApiClient, ApiError, type ApiRequest } from "./client.ts";
import {
	type KubeObject,
	type ObjectMeta,
	type ResourceType,
	resourcePath,
} from "./object.ts";

/** Holds the hash of what was last applied, so that a field that is no longer wanted is noticed. */
const APPLIED = "tributary.dev/applied";

/** Server-side apply under one field manager. */
export const FIELD_MANAGER = "tributary";

/** An object as wanted: only the fields that we own. */
export type Manifest = KubeObject & {
	readonly metadata: ObjectMeta & { readonly namespace: string };
};

/**
 * Makes an object be as the manifest says; fields of other managers stay, ours are taken back.
 *
 * @throws ApiError
 */
export function apply<T extends KubeObject>(
	client: ApiClient,
	type: ResourceType,
	manifest: Manifest,
	{ dryRun = false, signal }: { dryRun?: boolean; signal?: AbortSignal } = {},
): Promise<T> {
	return client.request<T>({
		method: "PATCH",
		path: resourcePath(type, manifest.metadata),
		query: {
			fieldManager: FIELD_MANAGER,
			force: true,
			dryRun: dryRun ? "All" : undefined,
		},
		contentType: "application/apply-patch+yaml",
		body: stamped(manifest),
		...(signal && { signal }),
	});
}

/** Replaces our part of an object's status. @throws ApiError 409 where the object is gone */
export function applyStatus(
	client: ApiClient,
	type: ResourceType,
	object: KubeObject,
	status: object,
	signal?: AbortSignal,
): Promise<KubeObject> {
	const { name, namespace, uid } = object.metadata;
	return client.request({
		method: "PATCH",
		path: resourcePath(type, {
			name,
			...(namespace !== undefined && { namespace }),
			subresource: "status",
		}),
		query: { fieldManager: FIELD_MANAGER, force: true },
		contentType: "application/apply-patch+yaml",
		// The uid keeps a status from landing on a namesake made since.
		body: {
			apiVersion: object.apiVersion,
			kind: object.kind,
			metadata: { name, namespace, uid },
			status,
		},
		...(signal && { signal }),
	});
}

/**
 * Replaces an object's finalizers, unless it changed since it was read; one that is gone needs none.
 *
 * @throws ApiError 409 where it did.
 */
export async function setFinalizers(
	client: ApiClient,
	type: ResourceType,
	{ metadata }: KubeObject,
	finalizers: readonly string[],
): Promise<void> {
	await unlessGone(client, {
		method: "PATCH",
		path: resourcePath(type, {
			name: metadata.name,
			...(metadata.namespace !== undefined && {
				namespace: metadata.namespace,
			}),
		}),
		query: { fieldManager: FIELD_MANAGER },
		contentType: "application/merge-patch+json",
		body: {
			metadata: { finalizers, resourceVersion: metadata.resourceVersion },
		},
	});
}

/** Deletes an object; one that is gone already is fine. @throws ApiError */
export async function remove(
	client: ApiClient,
	type: ResourceType,
	{ metadata }: KubeObject,
): Promise<void> {
	await unlessGone(client, {
		method: "DELETE",
		path: resourcePath(type, {
			name: metadata.name,
			...(metadata.namespace !== undefined && {
				namespace: metadata.namespace,
			}),
		}),
		body: {
			apiVersion: "v1",
			kind: "DeleteOptions",
			propagationPolicy: "Background",
			preconditions: { uid: metadata.uid },
		},
	});
}

/** The watch tells of what is gone; until then our copy of it may be worked on once more. */
async function unlessGone(
	client: ApiClient,
	request: ApiRequest,
): Promise<void> {
	try {
		await client.request(request);
	} catch (error) {
		if (!(error instanceof ApiError && error.status === 404)) throw error;
	}
}

/** Whether the observed object lacks anything of the manifest, or still has what it once asked for. */
export function needsApply(
	observed: KubeObject | undefined,
	manifest: Manifest,
): boolean {
	return (
		observed === undefined ||
		observed.metadata.deletionTimestamp !== undefined ||
		!holds(observed, stamped(manifest))
	);
}

function stamped(manifest: Manifest): Manifest {
	const hash = createHash("sha256")
		.update(JSON.stringify(manifest))
		.digest("hex")
		.slice(0, 16);
	return {
		...manifest,
		metadata: {
			...manifest.metadata,
			annotations: { ...manifest.metadata.annotations, [APPLIED]: hash },
		},
	};
}

/** Whether the wanted value is in the observed one; the server may have added fields of its own. */
function holds(observed: unknown, wanted: unknown): boolean {
	if (Array.isArray(wanted))
		return (
			Array.isArray(observed) &&
			observed.length === wanted.length &&
			wanted.every((item, index) => holds(observed[index], item))
		);
	if (typeof wanted === "object" && wanted !== null) {
		const entries = Object.entries(wanted).filter(([, v]) => v !== undefined);
		// The server drops empty maps.
		if (observed === undefined) return entries.length === 0;
		return (
			typeof observed === "object" &&
			observed !== null &&
			entries.every(([name, value]) =>
				holds((observed as Record<string, unknown>)[name], value),
			)
		);
	}
	return observed === wanted;
}
