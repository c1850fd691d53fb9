import { afterEach, beforeEach, expect, test } from "vitest";
import {
	apply,
	applyStatus,
	type Manifest,
	needsApply,
	remove,
	setFinalizers,
} from "../../../src/kube/apply.ts";
import { type ApiClient, ApiError } from "../../../src/kube/client.ts";
import { transition } from "../../../src/kube/conditions.ts";
import { EventRecorder } from "../../../src/kube/events.ts";
import type { KubeObject, ResourceType } from "../../../src/kube/object.ts";
import { fail, TestApiServer } from "./api-server.ts";
import { VirtualClock } from "./virtual-clock.ts";

const TYPE: ResourceType = {
	group: "",
	version: "v1",
	kind: "ConfigMap",
	plural: "configmaps",
};
const PATH = "/api/v1/namespaces/data/configmaps/shop";

const manifest = (data: Record<string, string>): Manifest => ({
	apiVersion: "v1",
	kind: "ConfigMap",
	metadata: { name: "shop", namespace: "data", labels: { app: "x" } },
	...{ data },
});

let server: TestApiServer;
let client: ApiClient;
beforeEach(async () => {
	server = new TestApiServer();
	await server.start();
	client = server.client();
});
afterEach(() => server.stop());

test("an object that is as wanted is not written again", async () => {
	expect(needsApply(undefined, manifest({ a: "1" }))).toBe(true);
	await apply(client, TYPE, manifest({ a: "1" }));
	expect(needsApply(server.get(PATH), manifest({ a: "1" }))).toBe(false);
	expect(server.requests.at(-1)?.body).toMatchObject({ data: { a: "1" } });
});

test("a drifted field, and one that is no longer wanted, make it be written", async () => {
	await apply(client, TYPE, manifest({ a: "1", b: "2" }));
	expect(needsApply(server.get(PATH), manifest({ a: "1" }))).toBe(true);
	const object = server.get(PATH);
	server.put(PATH, { ...object, data: { a: "by hand", b: "2" } });
	expect(needsApply(server.get(PATH), manifest({ a: "1", b: "2" }))).toBe(true);
	server.put(PATH, { ...object, data: { a: "1", b: "2", theirs: "3" } });
	expect(needsApply(server.get(PATH), manifest({ a: "1", b: "2" }))).toBe(
		false,
	);
});

test("a status never lands on a namesake that was made since", async () => {
	server.put(PATH, manifest({}) as KubeObject & Record<string, unknown>);
	const old = server.get(PATH);
	server.delete(PATH);
	server.put(PATH, manifest({}) as KubeObject & Record<string, unknown>);
	await expect(
		applyStatus(client, TYPE, old as KubeObject, { phase: "Running" }),
	).rejects.toMatchObject({ status: 409 });
});

test("finalizers are not overwritten when the object changed meanwhile", async () => {
	server.put(PATH, manifest({}) as KubeObject & Record<string, unknown>);
	const old = server.get(PATH) as KubeObject;
	server.put(PATH, {
		...old,
		metadata: { ...old.metadata, finalizers: ["other"] },
	});
	await expect(
		setFinalizers(client, TYPE, old, ["mine"]),
	).rejects.toMatchObject({ status: 409, retryable: true });
	const now = server.get(PATH) as KubeObject;
	await setFinalizers(client, TYPE, now, ["other", "mine"]);
	expect(server.get(PATH)?.metadata.finalizers).toEqual(["other", "mine"]);
});

test("a finalizer of an object that is gone is nobody's trouble", async () => {
	server.put(PATH, manifest({}) as KubeObject & Record<string, unknown>);
	const old = server.get(PATH) as KubeObject;
	server.delete(PATH);
	await setFinalizers(client, TYPE, old, []);
	expect(server.get(PATH)).toBeUndefined();
	server.faults.intercept = (_, __, response) => {
		fail(response, 403, "Forbidden", "cannot patch configmaps");
		return true;
	};
	await expect(setFinalizers(client, TYPE, old, [])).rejects.toMatchObject({
		status: 403,
	});
});

test("deleting what is gone already is no error", async () => {
	server.put(PATH, manifest({}) as KubeObject & Record<string, unknown>);
	const object = server.get(PATH) as KubeObject;
	await remove(client, TYPE, object);
	await remove(client, TYPE, object);
	expect(server.get(PATH)).toBeUndefined();
});

test("an error names the request and the server's reason, and says whether a retry can help", async () => {
	server.faults.intercept = (_, __, response) => {
		fail(response, 403, "Forbidden", "cannot get configmaps");
		return true;
	};
	const error = await client.request({ path: PATH }).catch((e: unknown) => e);
	expect(error).toBeInstanceOf(ApiError);
	expect(error).toMatchObject({
		status: 403,
		reason: "Forbidden",
		retryable: false,
		message: `GET ${PATH}: 403 cannot get configmaps`,
	});
});

test("a server that accepts and says nothing is given up in time", async () => {
	server.faults.intercept = () => true;
	await expect(
		client.request({ path: PATH, timeoutMs: 50 }),
	).rejects.toMatchObject({ status: 0, retryable: true });
});

test("a condition keeps its time until its status changes", () => {
	const at = new Date("2026-02-03T04:05:06.789Z");
	const old = {
		type: "Ready",
		status: "False",
		reason: "A",
		message: "a",
		lastTransitionTime: "2026-01-01T00:00:00Z",
	} as const;
	const next = { type: "Ready", reason: "B", message: "b" } as const;
	expect(
		transition([old], [{ ...next, status: "False" }], { at, generation: 4 }),
	).toEqual([
		{
			...next,
			status: "False",
			observedGeneration: 4,
			lastTransitionTime: "2026-01-01T00:00:00Z",
		},
	]);
	expect(
		transition([old], [{ ...next, status: "True" }], { at, generation: 4 })[0]
			?.lastTransitionTime,
	).toBe("2026-02-03T04:05:06Z");
});

test("the same event is written once in ten minutes, and a storm is cut off", async () => {
	const clock = new VirtualClock();
	const errors: unknown[] = [];
	const recorder = new EventRecorder({
		client,
		clock,
		controller: "tributary.dev/operator",
		instance: "me",
		onError: (error) => errors.push(error),
	});
	server.put(PATH, manifest({}) as KubeObject & Record<string, unknown>);
	const about = server.get(PATH) as KubeObject;
	const written = (): number =>
		server.requests.filter(({ method }) => method === "POST").length;
	const say = (note: string): Promise<void> =>
		recorder.record(about, {
			type: "Warning",
			reason: "R",
			action: "Reconcile",
			note,
		});
	for (let i = 0; i < 5; i++) await say("same");
	expect(written()).toBe(1);
	await clock.advance(601_000);
	await say("same");
	expect(written()).toBe(2);
	for (let i = 0; i < 100; i++) await say(`n${i}`);
	expect(written()).toBeLessThan(25);
	expect(errors).toEqual([]);
	expect(server.requests.at(-1)?.body).toMatchObject({
		regarding: { name: "shop", kind: "ConfigMap" },
		reportingController: "tributary.dev/operator",
	});
});
