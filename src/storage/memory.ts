import { NotFoundError } from "./errors.ts";
import { compareUtf8 } from "./file.ts";
import { spanOf } from "./range.ts";
import type { ObjectMeta, ObjectStore } from "./store.ts";

/** What a fault does to one operation; the simulation decides, from its seed. */
export interface Fault {
	/** Thrown before the operation takes effect. */
	readonly before?: Error;
	/** Thrown after it took effect: a lost response. */
	readonly after?: Error;
	/** For listings: the newest objects, this many, are not seen yet. */
	readonly hide?: number;
}

export type Operation =
	| "get"
	| "head"
	| "put"
	| "putIfAbsent"
	| "list"
	| "delete";

export interface MemoryStoreOptions {
	readonly now?: () => number;
	/** Awaited before each operation takes effect: where a scheduler takes over. */
	readonly turn?: (operation: Operation, path: string) => Promise<void>;
	readonly fault?: (operation: Operation, path: string) => Fault | undefined;
	/** Objects of another store, to share one bucket between simulated processes. */
	readonly objects?: Map<string, StoredObject>;
}

export interface StoredObject {
	readonly body: Uint8Array;
	readonly modified: number;
	readonly order: number;
}

/** Orders all bodies ever stored, so that listings can miss the newest. */
let stored = 0;

/** An object store in memory, for simulations: same interface, injected faults. */
export function openMemoryStore(
	options: MemoryStoreOptions = {},
): ObjectStore & { readonly objects: Map<string, StoredObject> } {
	const objects = options.objects ?? new Map<string, StoredObject>();
	const now = options.now ?? (() => 0);

	async function effect<T>(
		operation: Operation,
		path: string,
		run: (fault: Fault | undefined) => T,
	): Promise<T> {
		await options.turn?.(operation, path);
		const fault = options.fault?.(operation, path);
		if (fault?.before !== undefined) throw fault.before;
		const result = run(fault);
		await options.turn?.(operation, path);
		if (fault?.after !== undefined) throw fault.after;
		return result;
	}

	function store(path: string, body: Uint8Array): void {
		objects.set(path, {
			body: body.slice(),
			modified: now(),
			order: ++stored,
		});
	}

	return {
		url: "memory://",
		objects,
		get: (path, request) =>
			effect("get", path, () => {
				request?.signal?.throwIfAborted();
				const found = objects.get(path);
				if (found === undefined) throw new NotFoundError("memory://", path);
				const { start, end } = spanOf(request?.range, found.body.length);
				return found.body.slice(start, end);
			}),
		head: (path) =>
			effect("head", path, () => {
				const found = objects.get(path);
				return found === undefined ? undefined : meta(path, found);
			}),
		put: async (path, body) => {
			const whole = body instanceof Uint8Array ? body : await collect(body);
			await effect("put", path, () => store(path, whole));
		},
		putIfAbsent: async (path, body) => {
			try {
				return await effect("putIfAbsent", path, () => {
					if (objects.has(path)) return { kind: "exists" } as const;
					store(path, body);
					return { kind: "created" } as const;
				});
			} catch (cause) {
				return { kind: "unknown", cause };
			}
		},
		async *list(prefix, request) {
			const found = await effect("list", prefix, (fault) => {
				const hidden = [...objects.values()]
					.map((object) => object.order)
					.sort((a, b) => b - a)[(fault?.hide ?? 0) - 1];
				return [...objects]
					.filter(
						([path, object]) =>
							path.startsWith(prefix) &&
							(hidden === undefined || object.order < hidden) &&
							(request?.startAfter === undefined ||
								compareUtf8(path, request.startAfter) > 0),
					)
					.map(([path, object]) => meta(path, object))
					.sort((a, b) => compareUtf8(a.path, b.path));
			});
			yield* found;
		},
		delete: (paths) =>
			effect("delete", paths[0] ?? "", () => {
				for (const path of paths) objects.delete(path);
			}),
	};
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
	const chunks: Uint8Array[] = [];
	for await (const chunk of body) chunks.push(chunk);
	return Buffer.concat(chunks);
}

function meta(path: string, object: StoredObject): ObjectMeta {
	return { path, size: object.body.length, modified: object.modified };
}
