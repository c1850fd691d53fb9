import { ApiError } from "../../../../src/kube/client.ts";
import type { Clock } from "../../../../src/kube/clock.ts";
import type {
	ListPage,
	ListWatch,
	WatchEvent,
} from "../../../../src/kube/list-watch.ts";
import type { KubeObject } from "../../../../src/kube/object.ts";

export type Valued = KubeObject & {
	readonly spec: { readonly value: number };
	readonly status?: { readonly value: number };
};

/**
 * A server of one kind of objects that refuses, stalls, compacts, and whose watches die, go silent and
 * hang, at random and until `calmDown`. Lists are of one moment, as etcd's are, over all their pages.
 */
export class HostileServer {
	readonly objects = new Map<string, Valued>();
	requests = 0;
	/** Watches that were left without a word. */
	silences = 0;
	readonly #random: () => number;
	readonly #log: { version: number; event: WatchEvent<Valued> }[] = [];
	#version = 1;
	#compacted = 0;
	#calm = false;
	/** Every watch ends as soon as it is open. */
	closing = false;

	constructor(random: () => number) {
		this.#random = random;
	}

	calmDown(): void {
		this.#calm = true;
	}

	/** Creates, changes or, at random, deletes an object. */
	change(name: string): void {
		const before = this.objects.get(`data/${name}`);
		this.put(name, {
			spec: { value: this.#version + 1 },
			deleted: before !== undefined && this.#random() < 0.3,
		});
	}

	/** @returns false where the object is gone or is another */
	putStatus(key: string, uid: string | undefined, value: number): boolean {
		const before = this.objects.get(key);
		if (before === undefined || before.metadata.uid !== uid) return false;
		if (before.status?.value === value) return true;
		this.put(before.metadata.name, { spec: before.spec, status: { value } });
		return true;
	}

	put(
		name: string,
		{
			deleted = false,
			...rest
		}: Pick<Valued, "spec" | "status"> & { deleted?: boolean },
	): void {
		const key = `data/${name}`;
		const before = this.objects.get(key);
		const version = ++this.#version;
		const after: Valued = {
			...before,
			apiVersion: "v1",
			kind: "X",
			...rest,
			metadata: {
				name,
				namespace: "data",
				uid: before?.metadata.uid ?? `u${version}`,
				resourceVersion: String(version),
			},
		};
		if (deleted) this.objects.delete(key);
		else this.objects.set(key, after);
		const type =
			before === undefined ? "ADDED" : deleted ? "DELETED" : "MODIFIED";
		this.#log.push({ version, event: { type, object: after } });
		if (!this.#calm && this.#random() < 0.05) {
			this.#compacted = version;
			this.#log.length = 0;
		}
	}

	/** Resolves when a request of this process has got through; some do not. */
	async request(clock: Clock, signal: AbortSignal): Promise<void> {
		this.requests++;
		await wait(clock, this.#random() * 100, signal);
		if (this.#calm || this.closing) return;
		const chance = this.#random();
		if (chance < 0.1) throw new ApiError("refused", { status: 503 });
		if (chance < 0.15)
			throw new ApiError("busy", { status: 429, retryAfterMs: 2_000 });
		if (chance < 0.17) {
			// As the client does with an answer that does not come.
			await wait(clock, 30_000, signal);
			throw new ApiError("no answer in time", { status: 0 });
		}
	}

	/** The objects as a process with this clock reads them. */
	source(clock: Clock): ListWatch<Valued> {
		const server = this;
		const moments = new Map<string, { items: Valued[]; version: number }>();
		return {
			async list({ limit, next, signal }): Promise<ListPage<Valued>> {
				await server.request(clock, signal);
				if (next !== undefined && !server.#calm && server.#random() < 0.2)
					throw new ApiError("expired", { status: 410 });
				const [id = `${moments.size}`, from = "0"] = next?.split(":") ?? [];
				const moment = moments.get(id) ?? {
					items: [...server.objects.values()],
					version: server.#version,
				};
				moments.set(id, moment);
				const start = Number(from);
				const end = limit === undefined ? moment.items.length : start + limit;
				return {
					items: moment.items.slice(start, end),
					resourceVersion: String(moment.version),
					next: end < moment.items.length ? `${id}:${end}` : undefined,
				};
			},
			async *watch({ resourceVersion, timeoutSeconds, signal }) {
				let at = Number(resourceVersion);
				const end = clock.monotonic() + timeoutSeconds * 1000;
				await server.request(clock, signal);
				const silent = !server.#calm && server.#random() < 0.1;
				if (silent) server.silences++;
				if (server.closing) return;
				for (;;) {
					await wait(clock, 20 + server.#random() * 200, signal);
					// One without a word does not end either: nothing of the server arrives.
					if (silent) continue;
					if (clock.monotonic() >= end) return;
					if (!server.#calm && server.#random() < 0.02)
						throw new Error("reset");
					if (at < server.#compacted)
						throw new ApiError("expired", { status: 410 });
					for (const entry of server.#log.filter(
						({ version }) => version > at,
					)) {
						at = entry.version;
						yield entry.event;
					}
					if (server.#random() < 0.2)
						yield { type: "BOOKMARK", resourceVersion: String(at) };
				}
			},
		};
	}
}

function wait(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
	return new Promise((resolve, reject) => {
		const cancel = clock.after(ms, resolve);
		signal.addEventListener(
			"abort",
			() => {
				cancel();
				reject(signal.reason);
			},
			{ once: true },
		);
	});
}
