import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ApiError } from "../../../src/kube/client.ts";
import { systemClock } from "../../../src/kube/clock.ts";
import { type ListWatch, listWatch } from "../../../src/kube/list-watch.ts";
import type { KubeObject, ResourceType } from "../../../src/kube/object.ts";
import {
	Reflector,
	type ReflectorSettings,
} from "../../../src/kube/reflector.ts";
import { fail, TestApiServer } from "./api-server.ts";
import { VirtualClock } from "./virtual-clock.ts";

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
	const { reflector, errors } = reflect({ inactivityMs: 1500 });
	await reflector.synced;
	await vi.waitFor(() => expect(server.watches).toBe(1));
	for (let i = 0; i < 10; i++) {
		server.bookmark();
		await new Promise((resolve) => setTimeout(resolve, 250));
		expect(reflector.silenceMs).toBeLessThan(1500);
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

/** A watch that stops to be one, each in its way; the client gives up on a head after 30 s. */
const TROUBLES: Record<string, (clock: VirtualClock) => Promise<never>> = {
	"goes silent": () => new Promise(() => {}),
	dies: () => Promise.reject(new Error("socket hang up")),
	"does not open": (clock) =>
		new Promise((_, reject) =>
			clock.after(30_000, () =>
				reject(new ApiError("no answer in time", { status: 0 })),
			),
		),
};

test.each(Object.entries(TROUBLES))(
	"with the times of production a watch that %s is replaced within three minutes",
	async (_, trouble) => {
		const clock = new VirtualClock();
		let watches = 0;
		const source: ListWatch<Valued> = {
			list: async () => ({
				items: [],
				resourceVersion: "1",
				next: undefined,
			}),
			async *watch({ signal }) {
				const broken = watches++ === 0;
				const end = new Promise<never>((_, reject) =>
					signal.addEventListener("abort", () => reject(signal.reason), {
						once: true,
					}),
				);
				if (broken) await Promise.race([trouble(clock), end]);
				yield {
					type: "ADDED",
					object: {
						apiVersion: "v1",
						kind: "X",
						metadata: { name: "a", namespace: "data", resourceVersion: "2" },
						spec: { value: 1 },
					},
				};
				await end;
			},
		};
		const errors: unknown[] = [];
		const reflector = new Reflector<Valued>({
			source,
			clock,
			onChange: () => {},
			onError: (error) => errors.push(error),
		});
		running = reflector.run(stop.signal);
		await clock.advance(180_000);
		expect(reflector.get("data/a")?.spec.value).toBe(1);
		expect(errors.length).toBeGreaterThan(0);
		stop.abort();
		await clock.advance(1_000);
	},
);
