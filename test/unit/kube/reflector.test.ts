import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "../../../src/kube/client.ts";
import { systemClock } from "../../../src/kube/clock.ts";
import {
	type ListPage,
	type ListWatch,
	listWatch,
	type WatchEvent,
} from "../../../src/kube/list-watch.ts";
import type { KubeObject, ResourceType } from "../../../src/kube/object.ts";
import {
	Reflector,
	type ReflectorSettings,
} from "../../../src/kube/reflector.ts";
import { fail, TestApiServer } from "./api-server.ts";
import { seeded, VirtualClock } from "./virtual-clock.ts";

const TYPE: ResourceType = {
	group: "apps",
	version: "v1",
	kind: "StatefulSet",
	plural: "statefulsets",
};
const path = (name: string): string =>
	`/apis/apps/v1/namespaces/data/statefulsets/${name}`;
const object = (value: number) => ({
	apiVersion: "apps/v1",
	kind: "StatefulSet",
	spec: { value },
});

type Valued = KubeObject & { readonly spec: { readonly value: number } };

vi.setConfig({ testTimeout: 10_000 });

let server: TestApiServer;
let stop: AbortController;
let running: Promise<void> | undefined;
beforeEach(async () => {
	server = new TestApiServer();
	stop = new AbortController();
	await server.start();
});
afterEach(async () => {
	stop.abort();
	await running;
	await server.stop();
});

function reflect(settings: Partial<ReflectorSettings> = {}) {
	const seen = new Map<string, number | undefined>();
	const errors: unknown[] = [];
	const reflector = new Reflector<Valued>({
		source: listWatch(server.client(), TYPE, { namespace: "data" }),
		clock: systemClock,
		onChange: (key, value) => seen.set(key, value?.spec.value),
		onError: (error) => errors.push(error),
		settings: { backoffMs: 10, maxBackoffMs: 50, ...settings },
	});
	running = reflector.run(stop.signal);
	return { reflector, seen, errors };
}

test("a list in pages is read to its end, and the watch goes on from it", async () => {
	for (let i = 0; i < 25; i++) server.put(path(`s${i}`), object(i));
	const { reflector, seen } = reflect({ pageSize: 10 });
	await reflector.synced;
	expect(seen.size).toBe(25);
	server.put(path("s3"), object(33));
	server.delete(path("s4"));
	server.put(path("new"), object(1));
	await vi.waitFor(() => {
		expect(seen.get("data/s3")).toBe(33);
		expect(seen.get("data/new")).toBe(1);
		expect(seen.has("data/s4") && seen.get("data/s4") === undefined).toBe(true);
	});
	expect(reflector.get("data/s4")).toBeUndefined();
	expect(reflector.get("data/s3")?.kind).toBe("StatefulSet");
});

test("a watch whose version is too old makes a new list, which shows what was deleted meanwhile", async () => {
	server.put(path("a"), object(1));
	server.put(path("b"), object(1));
	const { reflector, seen } = reflect();
	await reflector.synced;
	await vi.waitFor(() => expect(server.watches).toBe(1));
	server.faults.intercept = (_, url, response) => {
		if (url.searchParams.get("watch") !== "true") return false;
		fail(response, 503, "ServiceUnavailable", "down");
		return true;
	};
	server.dropWatches();
	server.delete(path("a"));
	server.put(path("b"), object(2));
	server.compact();
	delete server.faults.intercept;
	await vi.waitFor(() => {
		expect(seen.get("data/b")).toBe(2);
		expect(reflector.get("data/a")).toBeUndefined();
	});
});

test("a watch that goes silent is noticed and replaced", async () => {
	const { reflector, seen, errors } = reflect({ inactivityMs: 60 });
	await reflector.synced;
	server.faults.silentWatches = true;
	server.put(path("a"), object(7));
	await vi.waitFor(() => expect(errors.length).toBeGreaterThan(0));
	expect(String(errors[0])).toContain("silent");
	server.faults.silentWatches = false;
	await vi.waitFor(() => expect(seen.get("data/a")).toBe(7));
});

test("bookmarks keep a quiet watch alive and move its version on", async () => {
	const { reflector, errors } = reflect({ inactivityMs: 200 });
	await reflector.synced;
	await vi.waitFor(() => expect(server.watches).toBe(1));
	for (let i = 0; i < 10; i++) {
		server.bookmark();
		await new Promise((resolve) => setTimeout(resolve, 50));
		expect(reflector.silenceMs).toBeLessThan(200);
	}
	expect(errors).toEqual([]);
	expect(server.requests.filter(({ method }) => method === "GET").length).toBe(
		2,
	);
});

test("Retry-After is obeyed", async () => {
	let refused = 0;
	const at: number[] = [];
	server.faults.intercept = (_, __, response) => {
		at.push(performance.now());
		if (refused++ > 0) return false;
		fail(response, 429, "TooManyRequests", "slow down", { "retry-after": "1" });
		return true;
	};
	const { reflector } = reflect();
	await reflector.synced;
	expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(950);
});

test("a periodic list repairs what no watch ever said", async () => {
	const { reflector, seen } = reflect({ relistMs: 300, watchMs: 100 });
	await reflector.synced;
	await vi.waitFor(() => expect(server.watches).toBe(1));
	server.putUnseen(path("ghost"), object(5));
	await vi.waitFor(() => expect(seen.get("data/ghost")).toBe(5), {
		timeout: 5_000,
	});
});

test("a broken line in a watch does not end the reflector", async () => {
	let broken = false;
	server.faults.intercept = (_, url, response) => {
		if (url.searchParams.get("watch") !== "true" || broken) return false;
		broken = true;
		response.writeHead(200).end("{not json\n");
		return true;
	};
	const { reflector, seen } = reflect();
	await reflector.synced;
	server.put(path("a"), object(1));
	await vi.waitFor(() => expect(seen.get("data/a")).toBe(1));
	expect(broken).toBe(true);
});

/** A server in memory that fails, stalls, drops, compacts and loses watches at random. */
function hostile(clock: VirtualClock, random: () => number) {
	const objects = new Map<string, Valued>();
	const log: { version: number; event: WatchEvent<Valued> }[] = [];
	let version = 1;
	let compacted = 0;
	let calm = false;
	const wait = (ms: number, signal: AbortSignal): Promise<void> =>
		new Promise((resolve, reject) => {
			const cancel = clock.after(ms, resolve);
			signal.addEventListener("abort", () => {
				cancel();
				reject(signal.reason);
			});
		});
	const trouble = (): void => {
		if (calm) return;
		const chance = random();
		if (chance < 0.1) throw new ApiError("refused", { status: 503 });
		if (chance < 0.15)
			throw new ApiError("busy", { status: 429, retryAfterMs: 2_000 });
	};
	const source: ListWatch<Valued> = {
		async list({ limit, next, signal }): Promise<ListPage<Valued>> {
			await wait(random() * 100, signal);
			trouble();
			if (next !== undefined && !calm && random() < 0.2)
				throw new ApiError("expired", { status: 410 });
			const all = [...objects.values()];
			const from = Number(next ?? 0);
			const end = limit === undefined ? all.length : from + limit;
			return {
				items: all.slice(from, end),
				resourceVersion: String(version),
				// One moment for all pages: what changes between them is in the log after it.
				next: undefined,
				...(end < all.length && { next: String(end) }),
			};
		},
		async *watch({ resourceVersion, timeoutSeconds, signal }) {
			let at = Number(resourceVersion);
			const end = clock.monotonic() + timeoutSeconds * 1000;
			trouble();
			if (at < compacted) throw new ApiError("expired", { status: 410 });
			const silent = !calm && random() < 0.1;
			while (clock.monotonic() < end) {
				await wait(20 + random() * 200, signal);
				if (silent) continue;
				if (!calm && random() < 0.02) throw new Error("reset");
				if (at < compacted) throw new ApiError("expired", { status: 410 });
				for (const entry of log.filter((entry) => entry.version > at)) {
					at = entry.version;
					yield entry.event;
				}
				if (random() < 0.05)
					yield { type: "BOOKMARK", resourceVersion: String(version) };
			}
		},
	};
	return {
		source,
		objects,
		change(name: string): void {
			const key = `data/${name}`;
			const before = objects.get(key);
			version++;
			const after: Valued = {
				apiVersion: "v1",
				kind: "X",
				metadata: {
					name,
					namespace: "data",
					uid: before?.metadata.uid ?? `u${version}`,
					resourceVersion: String(version),
				},
				spec: { value: version },
			};
			const type =
				before === undefined
					? "ADDED"
					: random() < 0.3
						? "DELETED"
						: "MODIFIED";
			if (type === "DELETED") objects.delete(key);
			else objects.set(key, after);
			log.push({ version, event: { type, object: after } });
			if (random() < 0.05) {
				compacted = version;
				log.length = 0;
			}
		},
		calmDown(): void {
			calm = true;
		},
	};
}

test.each(Array.from({ length: 40 }, (_, i) => 300 + i))(
	"the copy ends up equal to the server, and every difference was told (seed %i)",
	async (seed) => {
		const random = seeded(seed);
		const clock = new VirtualClock(random);
		const server = hostile(clock, random);
		const told = new Map<string, number>();
		const reflector = new Reflector<Valued>({
			source: server.source,
			clock,
			onChange: (key, value) => {
				if (value === undefined) told.delete(key);
				else told.set(key, value.spec.value);
			},
			onError: () => {},
			settings: { pageSize: 3, watchMs: 20_000, inactivityMs: 10_000 },
		});
		const stop = new AbortController();
		const running = reflector.run(stop.signal);
		for (let i = 0; i < 200; i++) {
			server.change(`o${Math.floor(random() * 10)}`);
			await clock.advance(random() * 1_000);
		}
		server.calmDown();
		await clock.advance(120_000);
		const expected = Object.fromEntries(
			[...server.objects].map(([key, { spec }]) => [key, spec.value]),
		);
		expect(Object.fromEntries(told)).toEqual(expected);
		expect(
			Object.fromEntries(
				[...reflector.values()].map(({ metadata, spec }) => [
					`data/${metadata.name}`,
					spec.value,
				]),
			),
		).toEqual(expected);
		expect(Object.keys(expected).length).toBeGreaterThan(0);
		stop.abort();
		await clock.advance(1_000);
		await running;
	},
);
