import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	ListMultipartUploadsCommand,
	ListPartsCommand,
	type MultipartUpload,
	S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openS3Store } from "../../src/storage/s3.ts";
import type { ObjectStore } from "../../src/storage/store.ts";
import { type RunningS3, startS3 } from "../../stack/components.ts";
import {
	type Fault,
	type FaultProxy,
	NO_FAULTS,
	seededFaults,
	startFaultProxy,
} from "../support/fault-proxy.ts";
import { seedOf } from "../support/seed.ts";

let dir: string;
let s3: RunningS3;
let proxy: FaultProxy;
/** Through the proxy, and beside it. */
let store: ObjectStore;
let beside: ObjectStore;
let opened = 0;

const LARGE = 33 * 2 ** 20;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

function open(
	endpoint: string,
	prefix: string,
	retry: { maxAttempts?: number; baseMs: number },
	requestTimeoutMs = 400,
): ObjectStore {
	const { accessKeyId, secretAccessKey, region } = s3;
	return openS3Store({
		bucket: "lake",
		prefix,
		credentials: { accessKeyId, secretAccessKey, region, endpoint },
		retry,
		requestTimeoutMs,
	});
}

beforeAll(async () => {
	dir = await mkdtemp(join(tmpdir(), "tributary-faults-"));
	s3 = await startS3({ dir, buckets: ["lake"] });
	proxy = await startFaultProxy(s3.endpoint);
});
afterAll(async () => {
	await proxy?.stop();
	await s3?.stop();
	await rm(dir, { recursive: true, force: true });
});
beforeEach(async () => {
	proxy.plan = NO_FAULTS;
	await proxy.settled();
	const prefix = `store-${opened++}`;
	store = open(proxy.endpoint, prefix, { baseMs: 10 });
	// From here on it is known that the store keeps conditions.
	await store.putIfAbsent("known", text("x"));
	proxy.log.length = 0;
	beside = open(s3.endpoint, prefix, { baseMs: 10 });
	await beside.put("old", text("0123456789"));
	for (const name of ["a", "b", "c"])
		await beside.put(`log/${name}`, text("x"));
});

const FAULTS: readonly Fault[] = [
	{ kind: "refuse", status: 500 },
	{ kind: "refuse", status: 503 },
	{ kind: "reset" },
	{ kind: "reset late", ms: 100 },
	{ kind: "slow", ms: 100 },
	{ kind: "stall" },
	{ kind: "cut" },
	{ kind: "stall body" },
	{ kind: "lose", status: 500 },
	{ kind: "lose", status: 503 },
	{ kind: "lose", status: "reset" },
];
const named = FAULTS.map(
	(fault) => [Object.values(fault).join(" "), fault] as const,
);

async function* large(): AsyncGenerator<Uint8Array> {
	for (let sent = 0; sent < LARGE; sent += 2 ** 20)
		yield new Uint8Array(2 ** 20).fill(sent >> 20);
}

async function paths(from: ObjectStore, prefix: string): Promise<string[]> {
	const found: string[] = [];
	for await (const { path } of from.list(prefix)) found.push(path);
	return found;
}

const read = async (path: string): Promise<string> =>
	new TextDecoder().decode(await beside.get(path));

/** Every operation that may be repeated: what it is to give, and what is to be seen afterwards. */
const IDEMPOTENT: Readonly<Record<string, () => Promise<void>>> = {
	get: async () => {
		expect(Buffer.from(await store.get("old")).toString()).toBe("0123456789");
	},
	"get of a range": async () => {
		const range = { start: 2, end: 7 };
		expect(Buffer.from(await store.get("old", { range })).toString()).toBe(
			"23456",
		);
	},
	"get of a suffix": async () => {
		const found = await store.get("old", { range: { suffix: 3 } });
		expect(Buffer.from(found).toString()).toBe("789");
	},
	"get of what is missing": async () => {
		await expect(store.get("new")).rejects.toMatchObject({
			code: "OBJECT_NOT_FOUND",
		});
	},
	head: async () => {
		expect(await store.head("old")).toMatchObject({ path: "old", size: 10 });
	},
	"head of what is missing": async () => {
		expect(await store.head("new")).toBeUndefined();
	},
	put: async () => {
		await store.put("new", text("body"));
		expect(await read("new")).toBe("body");
	},
	list: async () => {
		expect(await paths(store, "log/")).toEqual(["log/a", "log/b", "log/c"]);
	},
	delete: async () => {
		await store.delete(["log/a", "log/b", "none"]);
		expect(await paths(beside, "log/")).toEqual(["log/c"]);
	},
};

for (const [operation, run] of Object.entries(IDEMPOTENT)) {
	test.each(named)(
		`${operation} gives the right answer though its first two requests meet: %s`,
		async (_, fault) => {
			let requests = 0;
			proxy.plan = () => (requests++ < 2 ? fault : { kind: "none" });
			await run();
			if (fault.kind !== "slow")
				// An answer without a body can't break off in it, and one of 404 is one as soon as its head is there.
				expect(requests).toBeGreaterThan(
					operation.includes("missing") && /cut|body/.test(fault.kind) ? 0 : 2,
				);
		},
	);
}

test.each(named)(
	"a conditional put tells what it knows, and no more: %s",
	async (_, fault) => {
		proxy.plan = () => fault;
		const outcome = await store.putIfAbsent("new", text("mine"));
		await proxy.settled();
		const there = (await beside.head("new")) !== undefined;
		if (fault.kind === "slow") expect(outcome).toEqual({ kind: "created" });
		else
			expect(outcome).toMatchObject({
				kind: "unknown",
				cause: { code: expect.stringMatching(/^STORAGE_/), retryable: true },
			});
		expect(there).toBe(fault.kind !== "refuse" && fault.kind !== "reset");
		expect(proxy.log.filter(({ url }) => url.includes("new")).length).toBe(1);
	},
);

test("a conditional put that finds the name taken says so, also when it is its own from before", async () => {
	expect((await store.putIfAbsent("old", text("x"))).kind).toBe("exists");
	proxy.plan = () => ({ kind: "lose", status: "reset" });
	expect((await store.putIfAbsent("new", text("x"))).kind).toBe("unknown");
	proxy.plan = NO_FAULTS;
	expect((await store.putIfAbsent("new", text("x"))).kind).toBe("exists");
	expect(await read("old")).toBe("0123456789");
});

test("a conditional put that can't have been sent is an error, not a doubt", async () => {
	const gone = open("http://127.0.0.1:1", "x", { baseMs: 1 });
	await expect(gone.putIfAbsent("new", text("x"))).rejects.toMatchObject({
		code: "STORAGE_UNREACHABLE",
		retryable: true,
	});
});

test.each([
	["refuse 500", { kind: "refuse", status: 500 }, "STORAGE_FAILED"],
	["refuse 503", { kind: "refuse", status: 503 }, "STORAGE_FAILED"],
	["reset", { kind: "reset" }, "STORAGE_UNREACHABLE"],
	["stall", { kind: "stall" }, "STORAGE_UNREACHABLE"],
	["cut", { kind: "cut" }, "STORAGE_UNREACHABLE"],
	["lose", { kind: "lose", status: 503 }, "STORAGE_FAILED"],
] as const)(
	"a fault that does not end is told by its code after the last attempt, whatever the operation: %s",
	async (_, fault, code) => {
		proxy.plan = () => fault;
		const impatient = open(proxy.endpoint, `store-${opened - 1}`, {
			maxAttempts: 3,
			baseMs: 1,
		});
		const failure = { code, retryable: true };
		const operations: Record<string, () => Promise<unknown>> = {
			get: () => impatient.get("old"),
			head: () => impatient.head("old"),
			put: () => impatient.put("new", text("x")),
			large: () => impatient.put("large", large()),
			list: () => paths(impatient, "log/"),
			delete: () => impatient.delete(["log/a"]),
		};
		for (const [operation, run] of Object.entries(operations)) {
			proxy.log.length = 0;
			await expect(run(), operation).rejects.toMatchObject(failure);
			// `large` fails before it has an upload to give up.
			expect(proxy.log.length, operation).toBe(3);
		}
	},
);

test("a read that is given up between attempts, or under way, ends at once", async () => {
	for (const fault of [
		{ kind: "refuse", status: 503 },
		{ kind: "stall" },
	] as const) {
		proxy.plan = () => fault;
		const slow = open(
			proxy.endpoint,
			`store-${opened - 1}`,
			{ baseMs: 60_000 },
			60_000,
		);
		const stop = new AbortController();
		const reason = new Error("not needed any more");
		setTimeout(() => stop.abort(reason), 100);
		await expect(slow.get("old", { signal: stop.signal })).rejects.toBe(reason);
	}
});

test("a listing of several pages goes on after faults, and gives each object once", async () => {
	const names = Array.from(
		{ length: 2100 },
		(_, i) => `pages/${String(i).padStart(6, "0")}`,
	);
	const rest = names.values();
	await Promise.all(
		Array.from({ length: 16 }, async () => {
			for (const name of rest) await beside.put(name, text("x"));
		}),
	);
	for (const [, fault] of named) {
		let requests = 0;
		proxy.plan = () => (requests++ % 2 === 0 ? fault : { kind: "none" });
		expect(await paths(store, "pages/")).toEqual(names);
	}
});

test("large bodies arrive whole though requests of every kind meet faults, and leave no parts", async () => {
	const seed = seedOf();
	console.log(`seed ${seed}`);
	const patient = open(
		proxy.endpoint,
		`store-${opened - 1}`,
		{ maxAttempts: 15, baseMs: 10 },
		20_000,
	);
	const before = new Set((await uploads()).map(({ UploadId }) => UploadId));
	for (let round = 0; round < 5; round++) {
		const faults = seededFaults(seed + round, 0.4);
		// A part that arrives while its upload is being completed may stay: only the store can know.
		proxy.plan = (request) => {
			const fault = faults(request);
			return fault.kind === "reset late" && request.url.includes("partNumber")
				? { kind: "reset" }
				: fault;
		};
		await patient.put("large", large());
		proxy.plan = NO_FAULTS;
		await proxy.settled();
		const found = await beside.get("large");
		expect(found, `seed ${seed}`).toHaveLength(LARGE);
		for (let i = 0; i < LARGE; i += 2 ** 20)
			expect(found[i + 77], `seed ${seed}`).toBe(i >> 20);
		await beside.delete(["large"]);
	}
	// Of an upload whose beginning was answered to nobody only the name is left.
	for (const upload of await uploads())
		if (!before.has(upload.UploadId))
			expect(await parts(upload), `seed ${seed}`).toEqual([]);
});

test("an upload that fails for good is given up with all of its parts", async () => {
	const before = (await uploads()).length;
	proxy.plan = ({ url }) =>
		url.includes("partNumber=2")
			? { kind: "refuse", status: 500 }
			: { kind: "none" };
	const patient = open(
		proxy.endpoint,
		`store-${opened - 1}`,
		{ baseMs: 10 },
		20_000,
	);
	await expect(patient.put("large", large())).rejects.toMatchObject({
		code: "STORAGE_FAILED",
	});
	await proxy.settled();
	expect(await uploads()).toHaveLength(before);
	expect(await beside.head("large")).toBeUndefined();
	const failure = new Error("the source ended early");
	proxy.plan = NO_FAULTS;
	await expect(
		patient.put(
			"large",
			(async function* () {
				yield* large();
				throw failure;
			})(),
		),
	).rejects.toBe(failure);
	expect(await uploads()).toHaveLength(before);
});

function client(): S3Client {
	const { accessKeyId, secretAccessKey, region, endpoint } = s3;
	return new S3Client({
		endpoint,
		region,
		forcePathStyle: true,
		credentials: { accessKeyId, secretAccessKey },
	});
}

/** Uploads that were neither completed nor aborted. */
async function uploads(): Promise<MultipartUpload[]> {
	const { Uploads = [] } = await client().send(
		new ListMultipartUploadsCommand({ Bucket: "lake" }),
	);
	return Uploads;
}

async function parts({ Key, UploadId }: MultipartUpload): Promise<unknown[]> {
	const { Parts = [] } = await client().send(
		new ListPartsCommand({ Bucket: "lake", Key, UploadId }),
	);
	return Parts;
}
