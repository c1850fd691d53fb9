import { expect, test } from "vitest";
import {
	type Answer,
	failure,
	type Seen,
	scriptedS3,
} from "../../support/scripted-s3.ts";

const body = Buffer.from("{}");
const hasChecksum = ({ headers }: Seen): boolean =>
	Object.keys(headers).some((name) => name.startsWith("x-amz-checksum"));

test.each([
	failure(501, "NotImplemented"),
	failure(400, "InvalidArgument"),
] as const)(
	"a store that refuses checksums gets none after its first refusal: %j",
	async (refusal) => {
		const { store, requests } = await scriptedS3((seen, count) =>
			hasChecksum(seen)
				? refusal
				: count === 3
					? failure(412, "PreconditionFailed")
					: { status: 200 },
		);
		expect(await store.putIfAbsent("a", body)).toEqual({ kind: "created" });
		await store.put("b", body);
		expect(requests.map(hasChecksum)).toEqual([true, false, false, false]);
	},
);

test("a damaged upload that the store refuses is sent again, with its checksum", async () => {
	const { store, requests } = await scriptedS3((_, count) =>
		count === 1 ? failure(503, "SlowDown") : { status: 200 },
	);
	await store.put("b", body);
	expect(requests.map(hasChecksum)).toEqual([true, true]);
	const bad = await scriptedS3(() => failure(400, "BadDigest"));
	await expect(bad.store.put("b", body)).rejects.toMatchObject({
		code: "STORAGE_FAILED",
	});
	expect(bad.requests.every(hasChecksum)).toBe(true);
});

test("a store without conditional writes is told at the first commit", async () => {
	const { store } = await scriptedS3((seen) =>
		seen.headers["if-none-match"] === undefined
			? { status: 200 }
			: failure(501, "NotImplemented"),
	);
	await expect(store.putIfAbsent("a", body)).rejects.toMatchObject({
		code: "STORAGE_NO_CONDITIONAL_PUT",
		retryable: false,
	});
});

test("a store that ignores the condition is found out by the first commit, and nothing is replaced", async () => {
	const { store, requests } = await scriptedS3(() => ({ status: 200 }));
	await expect(store.putIfAbsent("a", body)).rejects.toMatchObject({
		code: "STORAGE_NO_CONDITIONAL_PUT",
		message: expect.stringContaining("ignores"),
	});
	expect(requests.map((request) => request.body)).toEqual(["{}", "{}"]);
	expect(new Set(requests.map(({ url }) => url)).size).toBe(1);
});

test("a store that was seen to refuse a name that is taken is not asked again", async () => {
	const stored = new Set<string>();
	const { store, requests } = await scriptedS3(({ url }, count) => {
		if (count === 2) return failure(503, "SlowDown");
		if (stored.has(url)) return failure(412, "PreconditionFailed");
		stored.add(url);
		return { status: 200 };
	});
	for (const name of ["a", "b", "c"])
		expect(await store.putIfAbsent(name, body)).toEqual({ kind: "created" });
	const names = requests.map(({ url }) => /orders\/(\w)/.exec(url)?.[1]);
	// The answer for `a` was lost, the one for `b` proves it.
	expect(names).toEqual(["a", "a", "b", "b", "c"]);
});

test("a body that does not match its checksum is read again, and never handed out", async () => {
	const wrong: Answer = {
		status: 200,
		body: "damaged",
		headers: { "x-amz-checksum-crc32": "o6a/Qw==" },
	};
	const { store, requests } = await scriptedS3((_, count) =>
		count === 1 ? wrong : { ...wrong, body: "{}" },
	);
	expect(Buffer.from(await store.get("x")).toString()).toBe("{}");
	expect(requests[0]?.headers["x-amz-checksum-mode"]).toBe("ENABLED");
	const bad = await scriptedS3(() => wrong, {
		environment: { AWS_ACCESS_KEY_ID: "other" },
	});
	const error = await bad.store.get("x").catch((thrown: unknown) => thrown);
	expect(error).toMatchObject({
		code: "STORAGE_CHECKSUM_MISMATCH",
		retryable: true,
	});
});

test("a completed upload whose answer was lost is not an error, one that was aborted is", async () => {
	const upload =
		(etag: string) =>
		(seen: Seen, count: number): Answer => {
			if (seen.method === "HEAD")
				return {
					status: 200,
					headers: { etag: `"${etag}"`, "content-length": "16777221" },
				};
			if (seen.url.includes("?uploads"))
				return {
					status: 200,
					body: "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
				};
			if (seen.method === "PUT")
				return { status: 200, headers: { etag: '"e"' } };
			if (seen.method === "DELETE") return { status: 204 };
			return count === 4 ? "hang up" : failure(404, "NoSuchUpload");
		};
	const large = Buffer.alloc(16 * 2 ** 20 + 5);
	const lost = await scriptedS3(upload("0123-2"));
	await lost.store.put("x", large);
	expect(lost.requests.map(({ method }) => method)).toEqual([
		"POST",
		"PUT",
		"PUT",
		"POST",
		"POST",
		"HEAD",
	]);
	const other = await scriptedS3(upload("0123-3"));
	await expect(other.store.put("x", large)).rejects.toMatchObject({
		code: "OBJECT_NOT_FOUND",
	});
	expect(other.requests.at(-1)?.method).toBe("DELETE");
});

test("an answer of 200 that holds an error is an error", async () => {
	const { store, requests } = await scriptedS3((seen) => {
		if (seen.url.includes("?uploads"))
			return {
				status: 200,
				body: "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>",
			};
		if (seen.method === "PUT") return { status: 200, headers: { etag: '"e"' } };
		if (seen.method === "DELETE") return { status: 204 };
		return {
			status: 200,
			body: `<?xml version="1.0"?>\n<Error><Code>${requests.length < 6 ? "InternalError" : "AccessDenied"}</Code><Message>no</Message></Error>`,
		};
	});
	await expect(
		store.put("x", Buffer.alloc(16 * 2 ** 20 + 5)),
	).rejects.toMatchObject({ code: expect.stringMatching(/^STORAGE_/) });
	expect(requests.at(-1)?.method).toBe("DELETE");
});

test("a store without batch deletion gets single ones", async () => {
	const { store, requests } = await scriptedS3((seen) =>
		seen.method === "POST"
			? failure(501, "NotImplemented")
			: seen.url.includes("gone")
				? failure(404, "NoSuchKey")
				: { status: 204 },
	);
	await store.delete(["a", "gone", "b"]);
	expect(
		requests
			.filter(({ method }) => method === "DELETE")
			.map(({ url }) => url.replace(/\?.*/, ""))
			.sort(),
	).toEqual([
		"/lake/shop/orders/a",
		"/lake/shop/orders/b",
		"/lake/shop/orders/gone",
	]);
});

test("a key that XML can't write is deleted by its URL; line breaks survive XML", async () => {
	const { store, requests } = await scriptedS3((seen) =>
		seen.method === "POST"
			? { status: 200, body: "<DeleteResult></DeleteResult>" }
			: { status: 204 },
	);
	await store.delete(["bell\u0007", "a<b>&"]);
	expect(requests.find(({ method }) => method === "DELETE")?.url).toContain(
		"/bell%07",
	);
	expect(requests.find(({ method }) => method === "POST")?.body).toContain(
		"<Key>shop/orders/a&lt;b&gt;&amp;</Key>",
	);
});

test("keys go to the store as they are, also with what URLs and paths give a meaning", async () => {
	const { store, requests } = await scriptedS3(() => ({ status: 200 }), {
		location: "s3://lake/a b//c",
	});
	for (const key of ["x//y", "./z", "../w", "q?a=b#c", "p%20+é", "/start"])
		await store.put(key, body);
	expect(requests.map(({ url }) => url.replace("?x-id=PutObject", ""))).toEqual(
		[
			"/lake/a%20b//c/x//y",
			"/lake/a%20b//c/./z",
			"/lake/a%20b//c/../w",
			"/lake/a%20b//c/q%3Fa%3Db%23c",
			"/lake/a%20b//c/p%2520%2B%C3%A9",
			"/lake/a%20b//c//start",
		],
	);
});

test("listed keys are decoded where the store encodes them, and only there", async () => {
	const page = (encoding: string): Answer => ({
		status: 200,
		body: `<ListBucketResult><IsTruncated>false</IsTruncated>${encoding}<Contents><Key>shop/orders/a%20b+c%2Bd</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>`,
	});
	const { store } = await scriptedS3((_, count) =>
		page(count === 1 ? "<EncodingType>url</EncodingType>" : ""),
	);
	const keys: string[] = [];
	for await (const { path } of store.list("")) keys.push(path);
	for await (const { path } of store.list("")) keys.push(path);
	expect(keys).toEqual(["a b c+d", "a%20b+c%2Bd"]);
});

test("a store that asks for time is not asked again before", async () => {
	const { store, requests } = await scriptedS3((_, count) =>
		count === 1
			? failure(503, "SlowDown", { "retry-after": "1" })
			: { status: 200, body: "x" },
	);
	const started = performance.now();
	await store.get("x");
	expect(performance.now() - started).toBeGreaterThan(990);
	expect(requests).toHaveLength(2);
});
