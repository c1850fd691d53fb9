import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compareUtf8, openFileStore } from "../../../src/storage/file.ts";
import type { ObjectStore } from "../../../src/storage/store.ts";
import { generator, seedOf } from "../../support/seed.ts";

let root: string;
let store: ObjectStore;
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

beforeEach(async () => {
	root = await mkdtemp(join(tmpdir(), "tributary-file-store-"));
	store = openFileStore(join(root, "lake"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function read(
	path: string,
	range?: { start: number; end: number },
): Promise<string> {
	const body = await store.get(path, range === undefined ? {} : { range });
	return new TextDecoder().decode(body);
}

async function paths(
	prefix: string,
	options?: { startAfter: string },
): Promise<string[]> {
	const found: string[] = [];
	for await (const { path } of store.list(prefix, options)) found.push(path);
	return found;
}

test("of twenty racing exclusive puts exactly one wins, and its body stays", async () => {
	const outcomes = await Promise.all(
		Array.from({ length: 20 }, (_, i) =>
			store.putIfAbsent("_delta_log/0.json", text(`writer ${i}`)),
		),
	);
	const winners = outcomes.flatMap(({ kind }, i) =>
		kind === "created" ? [i] : [],
	);
	expect(winners).toHaveLength(1);
	expect(outcomes.filter(({ kind }) => kind === "exists")).toHaveLength(19);
	expect(await read("_delta_log/0.json")).toBe(`writer ${winners[0]}`);
	expect(await readdir(join(root, "lake/_delta_log"))).toEqual(["0.json"]);
});

test("a path can't leave the folder, whatever the operation", async () => {
	await writeFile(join(root, "secret"), "x");
	for (const path of ["../secret", "/etc/hostname", "a/../../secret"]) {
		const refused = { code: "STORAGE_PATH_ESCAPES" };
		await expect(store.get(path)).rejects.toMatchObject(refused);
		await expect(store.head(path)).rejects.toMatchObject(refused);
		await expect(store.put(path, text("y"))).rejects.toMatchObject(refused);
		await expect(store.putIfAbsent(path, text("y"))).rejects.toMatchObject(
			refused,
		);
		await expect(store.delete([path])).rejects.toMatchObject(refused);
	}
	expect(await readdir(root)).toEqual(["secret"]);
});

test("listings are in UTF-8 byte order across folders, as on S3, and hide what is half written", async () => {
	const names = ["a/b.json", "a.b", "a-b", "a/😀", "a/\ufb01", "a/b/c", "ab"];
	for (const name of names) await store.put(name, text(name));
	await writeFile(join(root, "lake/a/.tmp-torn"), "half");
	const sorted = [...names].sort(compareUtf8);
	expect(sorted.indexOf("a/\ufb01")).toBeLessThan(sorted.indexOf("a/😀"));
	expect(await paths("")).toEqual(sorted);
	expect(await paths("a/b")).toEqual(["a/b.json", "a/b/c"]);
	expect(await paths("a/", { startAfter: "a/b.json" })).toEqual(
		sorted.filter(
			(name) => name.startsWith("a/") && compareUtf8(name, "a/b.json") > 0,
		),
	);
	expect(await paths("nowhere/")).toEqual([]);
});

test("ranges are cut at the end; what is missing is told by its name", async () => {
	await store.put("x", text("0123456789"));
	expect(await read("x", { start: 2, end: 5 })).toBe("234");
	expect(await read("x", { start: 8, end: 50 })).toBe("89");
	expect(await read("x", { start: 20, end: 30 })).toBe("");
	expect(await store.head("x")).toMatchObject({ path: "x", size: 10 });
	expect(await store.head("y")).toBeUndefined();
	await expect(store.get("y")).rejects.toMatchObject({
		code: "OBJECT_NOT_FOUND",
		message: expect.stringContaining("y"),
	});
	await store.delete(["x", "y"]);
	expect(await store.head("x")).toBeUndefined();
});

test("a put that fails leaves nothing behind", async () => {
	await store.put("taken/inside", text("x"));
	await expect(store.put("taken", text("y"))).rejects.toMatchObject({
		code: "STORAGE_FAILED",
	});
	expect(await readdir(join(root, "lake"))).toEqual(["taken"]);
});

test("strings are ordered as their UTF-8 bytes are", () => {
	const seed = seedOf();
	const random = generator(seed);
	const alphabet = ["a", "/", "é", "\ud7ff", "\ue000", "\uffff", "😀", "𐀀"];
	const word = (): string =>
		Array.from(
			{ length: Math.floor(random() * 4) },
			() => alphabet[Math.floor(random() * alphabet.length)],
		).join("");
	for (let i = 0; i < 5000; i++) {
		const [a, b] = [word(), word()];
		expect(
			Math.sign(compareUtf8(a, b)),
			`seed ${seed}: ${JSON.stringify([a, b])}`,
		).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
	}
});
