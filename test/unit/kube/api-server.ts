import {
	createServer,
	type IncomingMessage,
	type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { KubeConfig } from "@kubernetes/client-node";
import { type ApiClient, createApiClient } from "../../../src/kube/client.ts";
import type { KubeObject, ObjectMeta } from "../../../src/kube/object.ts";
import { type Grant, grantOf } from "../../support/permissions.ts";

type Json = Record<string, unknown>;

interface Stored {
	collection: string;
	object: KubeObject & Json;
}

interface Watcher {
	collection: string;
	namespace: string;
	selector: string | undefined;
	response: ServerResponse;
}

interface Change {
	version: number;
	type: "ADDED" | "MODIFIED" | "DELETED";
	stored: Stored;
}

/**
 * A small API server on loopback: list with pages, watch with bookmarks, apply, merge patch, status
 * subresource, finalizers, optimistic locking. What a test breaks is in `faults`.
 */
export class TestApiServer {
	readonly objects = new Map<string, Stored>();
	readonly requests: {
		method: string;
		path: string;
		body?: Json;
	}[] = [];
	/** What a Role would have to allow for the requests so far. */
	readonly granted = new Set<Grant>();
	readonly faults: {
		/** Answers instead of the server, if it returns true. */
		intercept?: (method: string, url: URL, response: ServerResponse) => boolean;
		/** Watches open, but stay silent. */
		silentWatches?: boolean;
	} = {};
	#version = 100;
	#compacted = 0;
	#log: Change[] = [];
	readonly #watchers = new Set<Watcher>();
	readonly #server = createServer((request, response) => {
		this.#handle(request, response).catch((error: unknown) =>
			fail(response, 500, "InternalError", String(error)),
		);
	});

	async start(): Promise<void> {
		await new Promise<void>((resolve) =>
			this.#server.listen(0, "127.0.0.1", resolve),
		);
	}

	async stop(): Promise<void> {
		this.#server.closeAllConnections();
		await new Promise((resolve) => this.#server.close(resolve));
	}

	get url(): string {
		const { port } = this.#server.address() as AddressInfo;
		return `http://127.0.0.1:${port}`;
	}

	client(): ApiClient {
		const config = new KubeConfig();
		config.loadFromOptions({
			clusters: [{ name: "c", server: this.url, skipTLSVerify: true }],
			users: [{ name: "u", token: "t" }],
			contexts: [{ name: "x", cluster: "c", user: "u" }],
			currentContext: "x",
		});
		return createApiClient(config);
	}

	/** Path such as `/apis/apps/v1/namespaces/data/statefulsets/shop`. */
	get<T = KubeObject & Json>(path: string): T | undefined {
		return this.objects.get(path)?.object as T | undefined;
	}

	/** Creates or replaces an object as some other client would. */
	put(path: string, object: Json): void {
		const { collection, namespace, name } = parse(path);
		const before = this.objects.get(path)?.object;
		const meta = (object.metadata ?? {}) as Partial<ObjectMeta>;
		this.#store(path, collection, {
			...object,
			metadata: {
				uid: before?.metadata.uid ?? `uid-${++this.#version}`,
				creationTimestamp: "2026-01-01T00:00:00Z",
				...(before?.metadata ?? {}),
				...meta,
				name,
				namespace,
			},
		} as KubeObject & Json);
	}

	delete(path: string): void {
		const stored = this.objects.get(path);
		if (stored === undefined) return;
		const { metadata } = stored.object;
		if ((metadata.finalizers?.length ?? 0) > 0) {
			if (metadata.deletionTimestamp === undefined)
				this.#store(path, stored.collection, {
					...stored.object,
					metadata: { ...metadata, deletionTimestamp: "2026-01-01T00:00:01Z" },
				});
			return;
		}
		this.objects.delete(path);
		this.#publish({
			version: ++this.#version,
			type: "DELETED",
			stored: {
				...stored,
				object: {
					...stored.object,
					metadata: { ...metadata, resourceVersion: String(this.#version) },
				},
			},
		});
	}

	/** Forgets history, so that older watches get 410. */
	compact(): void {
		this.#compacted = this.#version;
		this.#log = [];
	}

	/** Changes an object without telling any watch. */
	putUnseen(path: string, object: Json): void {
		const watchers = [...this.#watchers];
		this.#watchers.clear();
		this.put(path, object);
		this.#log.pop();
		for (const watcher of watchers) this.#watchers.add(watcher);
	}

	bookmark(): void {
		for (const { response, collection } of this.#watchers)
			response.write(
				`${JSON.stringify({ type: "BOOKMARK", object: { kind: collection, metadata: { resourceVersion: String(this.#version) } } })}\n`,
			);
	}

	dropWatches(): void {
		for (const { response } of this.#watchers) response.destroy();
		this.#watchers.clear();
	}

	get watches(): number {
		return this.#watchers.size;
	}

	#store(path: string, collection: string, object: KubeObject & Json): void {
		const before = this.objects.get(path);
		const { resourceVersion: _, generation: __, ...rest } = object.metadata;
		const same =
			before &&
			JSON.stringify(before.object.spec) === JSON.stringify(object.spec);
		const generation =
			(before?.object.metadata.generation ?? 0) + (same ? 0 : 1);
		const candidate = { ...object, metadata: { ...rest, generation } };
		if (before !== undefined) {
			const { resourceVersion: ___, ...meta } = before.object.metadata;
			// A write that changes nothing makes no event.
			if (
				canonical({ ...before.object, metadata: meta }) === canonical(candidate)
			)
				return;
		}
		const version = ++this.#version;
		const stored: Stored = {
			collection,
			object: {
				...candidate,
				metadata: { ...candidate.metadata, resourceVersion: String(version) },
			} as KubeObject & Json,
		};
		const { finalizers, deletionTimestamp } = stored.object.metadata;
		if (deletionTimestamp !== undefined && !finalizers?.length) {
			this.objects.delete(path);
			this.#publish({ version, type: "DELETED", stored });
			return;
		}
		this.objects.set(path, stored);
		this.#publish({ version, type: before ? "MODIFIED" : "ADDED", stored });
	}

	#publish(change: Change): void {
		this.#log.push(change);
		for (const watcher of this.#watchers) this.#send(watcher, change);
	}

	#send(watcher: Watcher, { type, stored }: Change): void {
		if (this.faults.silentWatches || !matches(watcher, stored)) return;
		watcher.response.write(
			`${JSON.stringify({ type, object: stored.object })}\n`,
		);
	}

	async #handle(
		request: IncomingMessage,
		response: ServerResponse,
	): Promise<void> {
		const url = new URL(request.url ?? "/", "http://x");
		const method = request.method ?? "GET";
		if (url.pathname === "/version")
			return ok(response, { gitVersion: "v1.36.3" });
		const body =
			Number(request.headers["content-length"] ?? 0) > 0
				? ((await json(request)) as Json)
				: undefined;
		const { collection, namespace, name, subresource, path } = parse(
			url.pathname,
		);
		const [, group = ""] = /^\/apis\/([^/]+)/.exec(url.pathname) ?? [];
		const resource = [collection.split("/").at(-1), subresource]
			.filter((part) => part !== undefined)
			.join("/");
		const verbs = {
			GET: name ? "get" : url.searchParams.has("watch") ? "watch" : "list",
			POST: "create",
			PUT: "update",
			// Applying what is not there makes it.
			PATCH: this.objects.has(path) ? "patch" : "patch create",
			DELETE: "delete",
		} as Record<string, string>;
		for (const verb of (verbs[method] ?? method).split(" "))
			this.granted.add(grantOf(verb, group, resource));
		this.requests.push({ method, path: url.pathname, ...(body && { body }) });
		if (this.faults.intercept?.(method, url, response)) return;
		if (name === undefined) {
			if (method === "POST") {
				const meta = (body?.metadata ?? {}) as {
					name?: string;
					generateName?: string;
				};
				const made = `${url.pathname}/${meta.name ?? `${meta.generateName}${++this.#version}`}`;
				if (this.objects.has(made))
					return fail(response, 409, "AlreadyExists", `${made} exists`);
				this.put(made, body ?? {});
				return ok(response, this.get(made));
			}
			return url.searchParams.get("watch") === "true"
				? this.#watch(url, collection, namespace, response)
				: this.#list(url, collection, namespace, response);
		}
		const found = this.objects.get(path);
		const meta = body?.metadata as Partial<ObjectMeta> | undefined;
		if (
			method === "PATCH" &&
			request.headers["content-type"] === "application/apply-patch+yaml"
		) {
			if (meta?.uid !== undefined && found?.object.metadata.uid !== meta.uid)
				return fail(response, 409, "Conflict", "uid mismatch");
			const { metadata: _, status, ...fields } = body ?? {};
			const base = found?.object ?? {};
			this.put(
				path,
				subresource === "status"
					? { ...base, status }
					: {
							...base,
							...fields,
							metadata: { ...found?.object.metadata, ...meta },
						},
			);
			return ok(response, this.get(path));
		}
		if (found === undefined)
			return fail(response, 404, "NotFound", `${path} not found`);
		if (method === "GET") return ok(response, found.object);
		if (
			meta?.resourceVersion !== undefined &&
			meta.resourceVersion !== found.object.metadata.resourceVersion
		)
			return fail(response, 409, "Conflict", "the object has been modified");
		if (method === "DELETE") {
			this.delete(path);
			return ok(response, { kind: "Status", status: "Success" });
		}
		if (method === "PATCH" || method === "PUT") {
			const { metadata: _, ...fields } = body ?? {};
			const changed =
				request.headers["content-type"] === "application/merge-patch+json"
					? (mergePatched(found.object, fields) as Json)
					: { ...found.object, ...fields };
			const wanted = {
				...changed,
				metadata: { ...found.object.metadata, ...meta },
			};
			if (url.searchParams.get("dryRun") === "All") return ok(response, wanted);
			this.put(path, wanted);
			return ok(response, this.get(path) ?? found.object);
		}
		fail(response, 405, "MethodNotAllowed", method);
	}

	#list(
		url: URL,
		collection: string,
		namespace: string,
		response: ServerResponse,
	): void {
		const selector = url.searchParams.get("labelSelector") ?? undefined;
		const items = [...this.objects.values()]
			.filter((stored) => matches({ collection, namespace, selector }, stored))
			.map(({ object: { kind: _, apiVersion: __, ...object } }) => object);
		const limit = Number(url.searchParams.get("limit") ?? items.length);
		const from = Number(url.searchParams.get("continue") ?? 0);
		const next = from + limit < items.length ? String(from + limit) : "";
		ok(response, {
			metadata: { resourceVersion: String(this.#version), continue: next },
			items: items.slice(from, from + limit),
		});
	}

	#watch(
		url: URL,
		collection: string,
		namespace: string,
		response: ServerResponse,
	): void {
		const from = Number(url.searchParams.get("resourceVersion") ?? 0);
		response.writeHead(200, { "content-type": "application/json" });
		response.flushHeaders();
		if (from < this.#compacted) {
			response.end(
				`${JSON.stringify({ type: "ERROR", object: { code: 410, reason: "Expired", message: "too old resource version" } })}\n`,
			);
			return;
		}
		const watcher: Watcher = {
			collection,
			namespace,
			selector: url.searchParams.get("labelSelector") ?? undefined,
			response,
		};
		for (const change of this.#log)
			if (change.version > from) this.#send(watcher, change);
		this.#watchers.add(watcher);
		const timer = setTimeout(
			() => response.end(),
			Number(url.searchParams.get("timeoutSeconds") ?? 60) * 1000,
		);
		response.on("close", () => {
			clearTimeout(timer);
			this.#watchers.delete(watcher);
		});
	}
}

function matches(
	{
		collection,
		namespace,
		selector,
	}: { collection: string; namespace: string; selector: string | undefined },
	stored: Stored,
): boolean {
	const { metadata } = stored.object;
	return (
		stored.collection === collection &&
		(namespace === "" || metadata.namespace === namespace) &&
		(selector ?? "").split(",").every((term) => {
			const [label = "", value] = term.split("=");
			return label === "" || metadata.labels?.[label] === value;
		})
	);
}

/** `/apis/g/v/namespaces/ns/plural/name/sub` in its parts. */
function parse(path: string) {
	const match =
		/^(\/api\/[^/]+|\/apis\/[^/]+\/[^/]+)(?:\/namespaces\/([^/]+))?\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(
			path,
		);
	if (match === null) throw new Error(`bad path ${path}`);
	const [, root = "", namespace = "", plural = "", name, subresource] = match;
	return {
		collection: `${root}/${plural}`,
		namespace,
		name,
		subresource,
		path:
			subresource === undefined ? path : path.slice(0, path.lastIndexOf("/")),
	};
}

/** RFC 7386. */
function mergePatched(target: unknown, patch: unknown): unknown {
	if (typeof patch !== "object" || patch === null || Array.isArray(patch))
		return patch;
	const result: Json =
		typeof target === "object" && target !== null && !Array.isArray(target)
			? { ...target }
			: {};
	for (const [name, value] of Object.entries(patch))
		if (value === null) delete result[name];
		else result[name] = mergePatched(result[name], value);
	return result;
}

function canonical(value: unknown): string {
	return JSON.stringify(value, (_, v: unknown) =>
		typeof v === "object" && v !== null && !Array.isArray(v)
			? Object.fromEntries(
					Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)),
				)
			: v,
	);
}

function ok(response: ServerResponse, body: unknown): void {
	response
		.writeHead(200, { "content-type": "application/json" })
		.end(JSON.stringify(body));
}

export function fail(
	response: ServerResponse,
	code: number,
	reason: string,
	message: string,
	headers: Record<string, string> = {},
): void {
	response
		.writeHead(code, { "content-type": "application/json", ...headers })
		.end(JSON.stringify({ kind: "Status", code, reason, message }));
}
