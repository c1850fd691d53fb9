import { expect, test } from "vitest";
import {
	findFiles,
	HIDDEN,
	listPrefix,
	type Selection,
} from "../../../src/ingest/discovery.ts";
import { globTest } from "../../../src/ingest/glob.ts";
import { contentVersion, fileApp } from "../../../src/ingest/identity.ts";
import { isGlob } from "../../../src/resource/file-ingestion-rules.ts";
import { openMemoryStore } from "../../../src/storage/memory.ts";

const ALL: Selection = {
	prefix: "",
	suffix: "",
	include: [],
	exclude: [],
	modifiedAfterMs: undefined,
	modifiedBeforeMs: undefined,
	minAgeMs: 0,
};

test.each([
	["*.csv", ["a.csv", ".csv"], ["a/b.csv", "a.csv.gz"]],
	["**/*.csv", ["a.csv", "a/b/c.csv"], ["a.csvx"]],
	["a/**", ["a/b", "a/b/c"], ["ab", "b/a/c"]],
	["a**b", ["ab", "a/x/b"], ["a/x/c"]],
	[
		"file-?.{json,ndjson}",
		["file-1.json", "file-x.ndjson"],
		["file-10.json", "file-/.json"],
	],
	["[a-c][!0-9].txt", ["ax.txt"], ["a1.txt", "dx.txt", "a/.txt"]],
	["a\\*b", ["a*b"], ["axb"]],
	["(a+b).$", ["(a+b).$"], ["aab.$"]],
	["}", ["}"], ["x"]],
	["день/*.json", ["день/ü.json"], ["день/a/b.json"]],
])("the glob %s matches whole paths", (glob, matches, others) => {
	const is = globTest(glob);
	expect(isGlob(glob)).toBe(true);
	expect(matches.filter((path) => !is(path))).toEqual([]);
	expect(others.filter(is)).toEqual([]);
});

test.each(["[a", "{a,b", "a\\"])(
	"the glob %s is refused, in the resource and by the worker",
	(glob) => {
		expect(isGlob(glob)).toBe(false);
		expect(() => globTest(glob)).toThrow(/without its end/);
	},
);

test("files are found by prefix, suffix, glob and time, in pages, without folders and hidden ones", async () => {
	let now = 0;
	const store = openMemoryStore({ now: () => now });
	for (const [path, at] of [
		["in/2026/a.json", 1000],
		["in/2026/b.json", 2000],
		["in/2026/b.csv", 2000],
		["in/2026/_SUCCESS", 2000],
		["in/_delta_log/0.json", 2000],
		["in/.hidden/x.json", 2000],
		["in/2026/", 2000],
		["other/c.json", 2000],
		["in/late.json", 9000],
	] as const) {
		now = at;
		await store.put(path, Buffer.from("x"));
	}
	const paths = async (more: Partial<Selection>): Promise<string[]> => {
		const found: string[] = [];
		for await (const page of findFiles(
			store,
			{ ...ALL, exclude: HIDDEN, ...more },
			() => 10_000,
		))
			found.push(...page.map(({ path }) => path));
		return found;
	};
	expect(await paths({ prefix: "in/", suffix: ".json" })).toEqual([
		"in/2026/a.json",
		"in/2026/b.json",
		"in/late.json",
	]);
	expect(await paths({ include: ["in/*/b.*", "other/*"] })).toEqual([
		"in/2026/b.csv",
		"in/2026/b.json",
		"other/c.json",
	]);
	expect(
		await paths({
			modifiedAfterMs: 1000,
			modifiedBeforeMs: 9000,
			suffix: "json",
		}),
	).toEqual(["in/2026/b.json", "other/c.json"]);
	expect(await paths({ minAgeMs: 2000, prefix: "in/l" })).toEqual([]);
	for (let i = 0; i < 2500; i++)
		store.objects.set(`many/${i}`, {
			body: new Uint8Array(1),
			modified: 1,
			order: i,
		});
	const sizes: number[] = [];
	for await (const page of findFiles(
		store,
		{ ...ALL, prefix: "many/" },
		() => 10,
	))
		sizes.push(page.length);
	expect(sizes).toEqual([1000, 1000, 500]);
});

test("no more is listed than what globs begin with", () => {
	const prefix = (include: string[], own = "") =>
		listPrefix({ ...ALL, prefix: own, include });
	expect(prefix(["in/2026/*.json", "in/2027/*.json"])).toBe("in/202");
	expect(prefix(["in/**"], "in/x/")).toBe("in/x/");
	expect(prefix([])).toBe("");
	expect(prefix(["*.csv", "in/*"])).toBe("");
});

test("a file's identity is its URL's and its content's, and fits a txn", () => {
	const a = contentVersion({ etag: '"1"', size: 1 });
	expect(Number.isSafeInteger(a) && a >= 0).toBe(true);
	expect(contentVersion({ etag: '"1"', size: 2 })).not.toBe(a);
	expect(contentVersion({ etag: '"2"', size: 1 })).not.toBe(a);
	expect(fileApp("a.b", "s3://x/y")).not.toBe(fileApp("a.c", "s3://x/y"));
	expect(fileApp("a.b", "s3://x/y")).not.toBe(fileApp("a.b", "s3://x/z"));
});
