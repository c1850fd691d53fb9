import { expect, test } from "vitest";
import { openStore } from "../../../src/storage/open.ts";
import { openS3Store } from "../../../src/storage/s3.ts";
import {
	type Answer,
	failure,
	SECRET,
	type Seen,
	scriptedS3,
} from "../../support/scripted-s3.ts";

const body = Buffer.from("{}");
/** CRC-32 of `{}` is 0xa3a6bf43. */
const CRC32_OF_BRACES = "o6a/Qw==";

test("a commit asks the store to refuse a name that is taken", async () => {
	const { store, requests } = await scriptedS3((_, count) =>
		count === 1 ? { status: 200 } : failure(412, "PreconditionFailed"),
	);
	expect(await store.putIfAbsent("_delta_log/0.json", body)).toEqual({
		kind: "created",
	});
	expect(requests[0]).toMatchObject({ method: "PUT", body: "{}" });
	expect(requests[0]?.url).toMatch(/^\/lake\/shop\/orders\/_delta_log\/0.json/);
	expect(requests[0]?.headers["if-none-match"]).toBe("*");
	expect(requests[0]?.headers["x-amz-security-token"]).toBe("session");
	expect(requests[0]?.headers.authorization).toContain("/us-east-1/s3/");
	expect(requests[0]?.headers["x-amz-checksum-crc32"]).toBe(CRC32_OF_BRACES);
});

test.each([
	["taken", failure(412, "PreconditionFailed"), "exists"],
	["a rival under way", failure(409, "ConditionalRequestConflict"), "unknown"],
	["an internal error", failure(500, "InternalError"), "unknown"],
	["slow down", failure(503, "SlowDown"), "unknown"],
	["a broken connection", "hang up", "unknown"],
	["a redirect", failure(307, "TemporaryRedirect"), "unknown"],
] as const)(
	"a conditional put is sent once and never guessed: %s",
	async (_, answer, kind) => {
		const { store, requests } = await scriptedS3(() => answer);
		expect(await store.putIfAbsent("x", body)).toMatchObject({ kind });
		expect(requests).toHaveLength(1);
	},
);

test.each([
	[failure(403, "SignatureDoesNotMatch"), "STORAGE_ACCESS_DENIED", "lake"],
	[failure(403, "InvalidAccessKeyId"), "STORAGE_ACCESS_DENIED", "AWS_ACCESS"],
	[failure(404, "NoSuchBucket"), "STORAGE_BUCKET_MISSING", "lake"],
	[failure(301, "PermanentRedirect"), "STORAGE_REGION_WRONG", "AWS_REGION"],
	[failure(404, "NoSuchKey"), "OBJECT_NOT_FOUND", "_last_checkpoint"],
] as const)(
	"a refusal has a code and a next step, and shows no secret: %j",
	async (answer, code, part) => {
		const { store } = await scriptedS3(() => answer);
		const error = await store
			.get("_delta_log/_last_checkpoint")
			.then(() => undefined)
			.catch((thrown: unknown) => thrown);
		expect(error).toMatchObject({
			code,
			retryable: false,
			message: expect.stringContaining(part),
		});
		expect(String(error)).not.toContain(SECRET);
		if (code.startsWith("STORAGE") && !code.includes("REGION"))
			await expect(store.putIfAbsent("x", body)).rejects.toMatchObject({
				code,
			});
	},
);

test("reads are tried again after errors and after bodies that break off", async () => {
	const { store, requests } = await scriptedS3((_, count) => {
		if (count === 1) return failure(503, "SlowDown");
		if (count === 2) return "hang up";
		if (count === 3) return { status: 200, body: "whole", cutAt: 2 };
		return { status: 200, body: "whole" };
	});
	expect(Buffer.from(await store.get("x")).toString()).toBe("whole");
	expect(requests).toHaveLength(4);
});

test("an endpoint that is not there is named, and may be tried again", async () => {
	const gone = openS3Store({
		bucket: "lake",
		prefix: "t",
		credentials: {
			endpoint: "http://user:never-to-be-shown@127.0.0.1:1",
			accessKeyId: "k",
			secretAccessKey: SECRET,
		},
		retry: { maxAttempts: 3 },
	});
	const error = await gone.get("x").catch((thrown: unknown) => thrown);
	expect(error).toMatchObject({
		code: "STORAGE_UNREACHABLE",
		retryable: true,
		message: expect.stringContaining("http://127.0.0.1:1"),
	});
	expect(String(error)).not.toContain(SECRET);
});

test("ranges hold even where the store answers with the whole object", async () => {
	const { store, requests } = await scriptedS3((seen) =>
		seen.url.includes("past")
			? failure(416, "InvalidRange")
			: { status: 200, body: "0123456789" },
	);
	const range = { start: 2, end: 5 };
	expect(Buffer.from(await store.get("x", { range })).toString()).toBe("234");
	expect(requests[0]?.headers.range).toBe("bytes=2-4");
	expect(await store.get("past", { range })).toHaveLength(0);
	expect(await store.get("x", { range: { start: 4, end: 4 } })).toHaveLength(0);
});

test("large bodies go in parts, and are given up when a part fails", async () => {
	const upload = (seen: Seen): Answer => {
		if (seen.method === "POST" && seen.url.includes("uploads"))
			return {
				status: 200,
				body: "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
			};
		if (seen.method === "PUT")
			return seen.url.includes("bad") && seen.url.includes("partNumber=2")
				? failure(403, "AccessDenied")
				: { status: 200, headers: { etag: '"e"' } };
		if (seen.method === "DELETE") return { status: 204 };
		return {
			status: 200,
			body: "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
		};
	};
	const { store, requests } = await scriptedS3(upload);
	const large = Buffer.alloc(16 * 2 ** 20 + 5, "x");
	await store.put("good", large);
	const parts = requests.filter(({ method }) => method === "PUT");
	expect(parts.map((part) => part.body.length).sort()).toEqual([
		16 * 2 ** 20,
		5,
	]);
	expect(requests.at(-1)?.body).toContain("<PartNumber>2</PartNumber>");
	await expect(store.put("bad", large)).rejects.toMatchObject({
		code: "STORAGE_ACCESS_DENIED",
	});
	expect(requests.at(-1)?.method).toBe("DELETE");
});

test("deletes go in batches of 1000; what failed is tried again, what was gone is not", async () => {
	const { store, requests } = await scriptedS3((_, count) => ({
		status: 200,
		body:
			count === 3
				? "<DeleteResult><Error><Key>shop/orders/gone</Key><Code>NoSuchKey</Code></Error><Error><Key>shop/orders/p2100</Key><Code>InternalError</Code><Message>oops</Message></Error></DeleteResult>"
				: "<DeleteResult></DeleteResult>",
	}));
	await store.delete(Array.from({ length: 2200 }, (_, i) => `p${i}`));
	expect(
		requests.map((request) => request.body.split("<Object>").length - 1),
	).toEqual([1000, 1000, 200, 200]);
});

test("objects that may not be deleted are named", async () => {
	const { store } = await scriptedS3(() => ({
		status: 200,
		body: "<DeleteResult><Error><Key>shop/orders/p7</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>",
	}));
	await expect(store.delete(["p6", "p7"])).rejects.toMatchObject({
		code: "STORAGE_ACCESS_DENIED",
		retryable: false,
		message: expect.stringContaining("p7"),
	});
});

test("listings go on from page to page, below the prefix only", async () => {
	const page = (names: readonly string[], next: string): Answer => ({
		status: 200,
		body: `<ListBucketResult><IsTruncated>${next !== ""}</IsTruncated>${next === "" ? "" : `<NextContinuationToken>${next}</NextContinuationToken>`}${names.map((name) => `<Contents><Key>shop/orders/${name}</Key><Size>3</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`).join("")}</ListBucketResult>`,
	});
	const { store, requests } = await scriptedS3((_, count) =>
		count === 1 ? page(["l/a", "l/b"], "more") : page(["l/c"], ""),
	);
	const found: string[] = [];
	for await (const { path, size, modified } of store.list("l/", {
		startAfter: "l/0",
	}))
		found.push(`${path} ${size} ${modified}`);
	expect(found).toEqual(
		["l/a", "l/b", "l/c"].map((path) => `${path} 3 1767225600000`),
	);
	expect(requests[0]?.url).toContain("start-after=shop%2Forders%2Fl%2F0");
	expect(requests[1]?.url).toContain("continuation-token=more");
});

test("a location with a password is refused without repeating it", () => {
	for (const location of [
		`s3://key:${SECRET}@lake/orders`,
		`https://key:${SECRET}@host/lake`,
	])
		try {
			openStore(location);
			expect.unreachable(location);
		} catch (error) {
			expect(error).toMatchObject({ code: "CONFIG_INVALID" });
			expect(String(error)).not.toContain(SECRET);
		}
});
