import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openS3Store } from "../../src/storage/s3.ts";
import type { ObjectStore } from "../../src/storage/store.ts";
import { type RunningS3, startS3 } from "../../stack/components.ts";
import {
	auditLedger,
	commitNumbers,
	createLedger,
	engineOver,
} from "../support/commit-ledger.ts";
import {
	type FaultProxy,
	NO_FAULTS,
	seededFaults,
	startFaultProxy,
} from "../support/fault-proxy.ts";
import { seedOf } from "../support/seed.ts";

const COMMITTERS = ["a", "b", "c", "d"];
const COMMITS = 75;

let dir: string;
let s3: RunningS3;
let proxy: FaultProxy;

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-commit-faults-"));
	s3 = await startS3({ dir, buckets: ["lake"] });
	proxy = await startFaultProxy(s3.endpoint);
});
afterAll(async () => {
	await proxy?.stop();
	await s3?.stop();
	await rm(dir, { recursive: true, force: true });
});

function open(endpoint: string, prefix: string): ObjectStore {
	const { accessKeyId, secretAccessKey, region } = s3;
	return openS3Store({
		bucket: "lake",
		prefix,
		credentials: { accessKeyId, secretAccessKey, region, endpoint },
		retry: { baseMs: 10 },
		requestTimeoutMs: 2000,
	});
}

test("300 commits of 4 committers through a store that fails: none is lost, none doubled", async () => {
	const seed = seedOf();
	const beside = engineOver(open(s3.endpoint, "faults"));
	await createLedger(beside);
	proxy.plan = seededFaults(seed, 0.25);
	const results = await Promise.all(
		COMMITTERS.map((name) =>
			commitNumbers(engineOver(open(proxy.endpoint, "faults")), name, COMMITS),
		),
	);
	proxy.plan = NO_FAULTS;
	await proxy.settled();
	const conditional = proxy.log.filter(
		({ method, url, fault }) =>
			method === "PUT" && url.includes(".json?") && fault.kind !== "none",
	);
	console.log(
		`seed ${seed}: ${proxy.log.length} requests, ${proxy.log.filter(({ fault }) => fault.kind !== "none").length} with a fault, ${conditional.length} of those commits; ${results.reduce((sum, { attempts }) => sum + attempts, 0)} attempts, ${results.reduce((sum, { errors }) => sum + errors, 0)} errors`,
	);
	expect(
		await auditLedger(beside, COMMITTERS, COMMITS),
		`seed ${seed}`,
	).toEqual([]);
	expect(conditional.length).toBeGreaterThan(30);
});

test("a store that takes a lost answer for a success loses commits, and the audit sees it", async () => {
	const seed = seedOf();
	const beside = engineOver(open(s3.endpoint, "guessing"));
	await createLedger(beside);
	const store = open(proxy.endpoint, "guessing");
	const guessing: ObjectStore = {
		...store,
		putIfAbsent: async (path, body) => {
			const outcome = await store.putIfAbsent(path, body);
			return outcome.kind === "unknown" ? { kind: "created" } : outcome;
		},
	};
	proxy.plan = seededFaults(seed, 0.4);
	await Promise.allSettled(
		COMMITTERS.map((name) => commitNumbers(engineOver(guessing), name, 20)),
	);
	proxy.plan = NO_FAULTS;
	await proxy.settled();
	const wrong = await auditLedger(beside, COMMITTERS, 20).catch(
		(error: unknown) => [String(error)],
	);
	expect(wrong, `seed ${seed}`).not.toEqual([]);
});
