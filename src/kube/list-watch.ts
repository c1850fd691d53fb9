import { type ApiClient, ApiError } from "./client.ts";
import {
	type KubeObject,
	type ObjectMeta,
	type ResourceType,
	resourcePath,
} from "./object.ts";

export interface ListPage<T> {
	readonly items: readonly T[];
	readonly resourceVersion: string;
	/** Token of the next page, if there is one. */
	readonly next: string | undefined;
}

export type WatchEvent<T> =
	| { readonly type: "ADDED" | "MODIFIED" | "DELETED"; readonly object: T }
	| { readonly type: "BOOKMARK"; readonly resourceVersion: string };

/** One kind of objects as a reflector reads it. */
export interface ListWatch<T> {
	/** @throws ApiError; 410 means that the page token is too old. */
	list(options: {
		limit: number | undefined;
		next: string | undefined;
		signal: AbortSignal;
	}): Promise<ListPage<T>>;
	/** Ends when the server closes the watch. @throws ApiError; 410 asks for a new list. */
	watch(options: {
		resourceVersion: string;
		timeoutSeconds: number;
		signal: AbortSignal;
	}): AsyncIterable<WatchEvent<T>>;
}

export function listWatch<T extends KubeObject>(
	client: ApiClient,
	type: ResourceType,
	{
		namespace,
		labelSelector,
		without = [],
	}: {
		namespace?: string;
		labelSelector?: string;
		/** Fields of each object that nobody reads, for copies to be small. */
		without?: readonly string[];
	},
): ListWatch<T> {
	const path = resourcePath(type, namespace === undefined ? {} : { namespace });
	const apiVersion =
		type.group === "" ? type.version : `${type.group}/${type.version}`;

	/** Who set which field when is for people; it is half of many an object. */
	function lean(object: T): T {
		const { managedFields: _, ...metadata } = object.metadata as ObjectMeta & {
			managedFields?: unknown;
		};
		const left: T = { ...object, metadata };
		for (const field of without) delete left[field as keyof T];
		return left;
	}

	async function list({
		limit,
		next,
		signal,
	}: Parameters<ListWatch<T>["list"]>[0]): Promise<ListPage<T>> {
		const page = await client.request<{
			items: T[];
			metadata: { resourceVersion: string; continue?: string };
		}>({ path, query: { limit, continue: next, labelSelector }, signal });
		return {
			// Items of a list carry neither kind nor apiVersion.
			items: page.items.map((item) => ({
				...lean(item),
				apiVersion,
				kind: type.kind,
			})),
			resourceVersion: page.metadata.resourceVersion,
			next: page.metadata.continue || undefined,
		};
	}

	async function* watch({
		resourceVersion,
		timeoutSeconds,
		signal,
	}: Parameters<ListWatch<T>["watch"]>[0]): AsyncGenerator<WatchEvent<T>> {
		const lines = client.lines({
			path,
			query: {
				watch: true,
				allowWatchBookmarks: true,
				resourceVersion,
				timeoutSeconds,
				labelSelector,
			},
			signal,
		});
		for await (const line of lines) {
			const event = parseEvent<T>(path, line);
			yield event.type === "BOOKMARK"
				? event
				: { type: event.type, object: lean(event.object) };
		}
	}

	return { list, watch };
}

function parseEvent<T>(path: string, line: string): WatchEvent<T> {
	const event = JSON.parse(line) as {
		type: string;
		object: {
			code?: number;
			reason?: string;
			message?: string;
			metadata?: { resourceVersion?: string };
			details?: { retryAfterSeconds?: number };
		};
	};
	switch (event.type) {
		case "ADDED":
		case "MODIFIED":
		case "DELETED":
			return { type: event.type, object: event.object as T };
		case "BOOKMARK":
			return {
				type: "BOOKMARK",
				resourceVersion: event.object.metadata?.resourceVersion ?? "",
			};
		default: {
			const { code, reason, message, details } = event.object;
			throw new ApiError(
				`watch ${path}: ${message ?? `unknown event ${event.type}`}`,
				{
					status: code ?? 500,
					reason: reason ?? "",
					retryAfterMs: details?.retryAfterSeconds
						? details.retryAfterSeconds * 1000
						: undefined,
				},
			);
		}
	}
}
