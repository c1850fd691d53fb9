import {
	afterAll,
	beforeAll,
	beforeEach,
	describe,
	expect,
	test,
} from "vitest";
import { compareUtf8 } from "../../src/storage/file.ts";
import type {
	ByteRange,
	ObjectStore,
	SuffixRange,
} from "../../src/storage/store.ts";
import { generator, seedOf } from "./seed.ts";

/** Keys that every store has to take as they are. */
export const ODD_KEYS: readonly string[] = [
	"sp ace",
	" leading and trailing ",
	"plus+",
	"per%cent%25",
	"hash#",
	"query?x=1&y=2",
	"day=2026-01-01 00%3A00%3A00/part-0.parquet",
	"uni/é😀e\u0301",
	"'q\"<>&amp;",
	"back\\slash",
	"tab\tnewline\nreturn\r",
	"~!@$^*()[]{}|;:,=`",
	"..dots..",
	"_delta_log/00000000000000000000.json",
	"x".repeat(200),
];

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** What any ObjectStore has to do: one suite for S3, folders and memory. */
export function storeContract(
	name: string,
	setUp: () => Promise<{
		/** A store with nothing in it. */
		readonly open: () => ObjectStore;
		readonly tearDown: () => Promise<void>;
	}>,
): void {
	describe(`store contract: ${name}`, () => {
		let place: Awaited<ReturnType<typeof setUp>>;
		let store: ObjectStore;
		beforeAll(async () => {
			place = await setUp();
		});
		afterAll(() => place?.tearDown());
		beforeEach(() => {
			store = place.open();
		});

		const read = async (
			path: string,
			range?: ByteRange | SuffixRange,
		): Promise<string> =>
			new TextDecoder().decode(
				await store.get(path, range === undefined ? {} : { range }),
			);
		const paths = async (
			prefix = "",
			options?: { startAfter: string },
		): Promise<string[]> => {
			const found: string[] = [];
			for await (const { path } of store.list(prefix, options))
				found.push(path);
			return found;
		};
		const missing = { code: "OBJECT_NOT_FOUND" };

		test("what was put is read back, byte for byte, and replaced as a whole", async () => {
			const body = Uint8Array.from({ length: 70_000 }, (_, i) => i * 7);
			await store.put("a/b.bin", body);
			expect(Buffer.from(await store.get("a/b.bin")).equals(body)).toBe(true);
			await store.put("a/b.bin", bytes("new"));
			expect(await read("a/b.bin")).toBe("new");
			await store.put("empty", new Uint8Array(0));
			expect(await store.get("empty")).toHaveLength(0);
			expect(await store.head("empty")).toMatchObject({ size: 0 });
		});

		test("a range is cut at the end, a suffix at the start, and a wrong one is refused", async () => {
			await store.put("x", bytes("0123456789"));
			expect(await read("x", { start: 2, end: 5 })).toBe("234");
			expect(await read("x", { start: 8, end: 50 })).toBe("89");
			expect(await read("x", { start: 10, end: 50 })).toBe("");
			expect(await read("x", { start: 20, end: 30 })).toBe("");
			expect(await read("x", { start: 4, end: 4 })).toBe("");
			expect(await read("x", { suffix: 3 })).toBe("789");
			expect(await read("x", { suffix: 100 })).toBe("0123456789");
			expect(await read("x", { suffix: 0 })).toBe("");
			for (const range of [
				{ start: -1, end: 4 },
				{ start: 0.5, end: 4 },
				{ start: 0, end: Number.NaN },
				{ suffix: -1 },
			])
				await expect(store.get("x", { range })).rejects.toMatchObject({
					code: "STORAGE_RANGE_INVALID",
					retryable: false,
				});
		});

		test("a read that was given up ends with the reason", async () => {
			await store.put("x", bytes("0123456789"));
			const reason = new Error("not needed any more");
			await expect(
				store.get("x", { signal: AbortSignal.abort(reason) }),
			).rejects.toBe(reason);
		});

		test("what is missing is an error by its name, or nothing, as the operation promises", async () => {
			await store.put("a/there", bytes("x"));
			for (const path of ["a", "nope", "a/there/below", "a/nope"]) {
				await expect(store.get(path)).rejects.toMatchObject(missing);
				expect(await store.head(path)).toBeUndefined();
				for (const range of [
					{ start: 0, end: 4 },
					{ start: 4, end: 4 },
					{ suffix: 4 },
					{ suffix: 0 },
				])
					await expect(store.get(path, { range })).rejects.toMatchObject(
						missing,
					);
			}
			await store.delete(["nope", "a/nope", "a/there/below"]);
			expect(await paths()).toEqual(["a/there"]);
			expect(await paths("nowhere/")).toEqual([]);
		});

		test("of twenty racing exclusive puts exactly one wins, and its body stays", async () => {
			const outcomes = await Promise.all(
				Array.from({ length: 20 }, (_, i) =>
					store.putIfAbsent("_delta_log/0.json", bytes(`writer ${i}`)),
				),
			);
			const winners = outcomes.flatMap(({ kind }, i) =>
				kind === "created" ? [i] : [],
			);
			expect(winners).toHaveLength(1);
			expect(outcomes.filter(({ kind }) => kind === "exists")).toHaveLength(19);
			expect(await read("_delta_log/0.json")).toBe(`writer ${winners[0]}`);
			expect(await paths()).toEqual(["_delta_log/0.json"]);
			await store.delete(["_delta_log/0.json"]);
			expect(
				await store.putIfAbsent("_delta_log/0.json", bytes("again")),
			).toEqual({ kind: "created" });
		});

		test("every odd key goes through every operation unchanged", async () => {
			for (const key of ODD_KEYS) {
				expect(await store.putIfAbsent(key, bytes(key))).toEqual({
					kind: "created",
				});
				expect((await store.putIfAbsent(key, bytes("x"))).kind).toBe("exists");
				await store.put(key, bytes(`put ${key}`));
				expect(await read(key)).toBe(`put ${key}`);
				expect(await store.head(key)).toMatchObject({ path: key });
				expect(await paths(key)).toEqual([key]);
			}
			const sorted = [...ODD_KEYS].sort(compareUtf8);
			expect(await paths()).toEqual(sorted);
			for (const startAfter of sorted)
				expect(await paths("", { startAfter })).toEqual(
					sorted.slice(sorted.indexOf(startAfter) + 1),
				);
			await store.delete(ODD_KEYS);
			expect(await paths()).toEqual([]);
		});

		test("listings are in UTF-8 byte order across folders, below the prefix, with size and time", async () => {
			const names = [
				...["a/b.json", "a.b", "a-b", "a/😀", "a/\ufb01", "a/c/d", "a/c.d"],
				...["ab", "a/c/e/f", "a0"],
			];
			const before = Date.now();
			for (const key of names) await store.put(key, bytes(key));
			const sorted = [...names].sort(compareUtf8);
			expect(sorted.indexOf("a/\ufb01")).toBeLessThan(sorted.indexOf("a/😀"));
			expect(await paths()).toEqual(sorted);
			expect(await paths("a/c")).toEqual(["a/c.d", "a/c/d", "a/c/e/f"]);
			expect(await paths("a/c/")).toEqual(["a/c/d", "a/c/e/f"]);
			for (const startAfter of ["a/b.json", "a/c", "a/b.", "a/", "0", "z"])
				expect(await paths("a/", { startAfter })).toEqual(
					sorted.filter(
						(key) => key.startsWith("a/") && compareUtf8(key, startAfter) > 0,
					),
				);
			for await (const object of store.list("")) {
				expect(object.size).toBe(bytes(object.path).length);
				expect(object.modified).toBeGreaterThan(before - 5000);
				expect(object.modified).toBeLessThan(Date.now() + 5000);
				expect(await store.head(object.path)).toEqual(object);
			}
		});

		test("more objects than one page or one batch holds are listed and deleted", async () => {
			const names = Array.from(
				{ length: 1203 },
				(_, i) => `log/${String(i).padStart(20, "0")}.json`,
			);
			const rest = names.values();
			await Promise.all(
				Array.from({ length: 16 }, async () => {
					for (const key of rest) await store.put(key, bytes("{}"));
				}),
			);
			expect(await paths("log/")).toEqual(names);
			expect(await paths("log/", { startAfter: names[100] ?? "" })).toEqual(
				names.slice(101),
			);
			await store.delete(names.slice(0, 1150));
			expect(await paths("log/")).toEqual(names.slice(1150));
			await store.delete(names);
			expect(await paths()).toEqual([]);
		});

		test("a streamed body is stored as a whole, however it is cut", async () => {
			const random = generator(7);
			const whole = Uint8Array.from(
				{ length: 3 * 2 ** 20 + 17 },
				() => random() * 256,
			);
			async function* cut(size: () => number): AsyncGenerator<Uint8Array> {
				for (let start = 0; start < whole.length; ) {
					const end = start + size();
					yield whole.subarray(start, end);
					start = end;
				}
			}
			await store.put(
				"small",
				cut(() => Math.floor(random() * 200_000)),
			);
			expect(Buffer.from(await store.get("small")).equals(whole)).toBe(true);
			async function* large(): AsyncGenerator<Uint8Array> {
				for (let i = 0; i < 12; i++) yield* cut(() => 2 ** 20);
			}
			await store.put("large", large());
			const found = Buffer.from(await store.get("large"));
			expect(found).toHaveLength(12 * whole.length);
			for (let i = 0; i < 12; i++)
				expect(
					found
						.subarray(i * whole.length, (i + 1) * whole.length)
						.equals(whole),
				).toBe(true);
			await store.put(
				"none",
				(async function* () {
					yield* [];
				})(),
			);
			expect(await store.get("none")).toHaveLength(0);
		});

		test("a streamed body that fails leaves what was there, and nothing else", async () => {
			const failure = new Error("the source ended early");
			async function* failing(chunks: number): AsyncGenerator<Uint8Array> {
				for (let i = 0; i < chunks; i++) yield new Uint8Array(2 ** 20);
				throw failure;
			}
			await store.put("kept", bytes("old"));
			for (const chunks of [0, 1, 40]) {
				await expect(store.put("kept", failing(chunks))).rejects.toBe(failure);
				await expect(store.put("new", failing(chunks))).rejects.toBe(failure);
			}
			expect(await read("kept")).toBe("old");
			expect(await paths()).toEqual(["kept"]);
		});

		test("random operations do what they would do to a map", async () => {
			const seed = seedOf();
			const random = generator(seed);
			const pick = <T>(from: readonly T[]): T =>
				from[Math.floor(random() * from.length)] as T;
			const keys = ["a", "b/a", "b/b", "b/c/d", "b.c", "c d", "é", "z%2F"];
			const model = new Map<string, string>();
			for (let step = 0; step < 150; step++) {
				const at = `seed ${seed}, step ${step}`;
				const key = pick(keys);
				const body = `${step}`.repeat(Math.floor(random() * 5));
				switch (pick(["put", "absent", "get", "list", "delete", "head"])) {
					case "put":
						await store.put(key, bytes(body));
						model.set(key, body);
						break;
					case "absent":
						expect(await store.putIfAbsent(key, bytes(body)), at).toEqual({
							kind: model.has(key) ? "exists" : "created",
						});
						if (!model.has(key)) model.set(key, body);
						break;
					case "get":
						expect(await read(key).catch(() => undefined), at).toBe(
							model.get(key),
						);
						break;
					case "head":
						expect((await store.head(key))?.size, at).toBe(
							model.get(key)?.length,
						);
						break;
					case "delete":
						await store.delete([key, pick(keys)].slice(0, 1));
						model.delete(key);
						break;
					case "list": {
						const prefix = pick(["", "b", "b/", "b/c", "c "]);
						const startAfter = pick(["", ...keys]);
						expect(await paths(prefix, { startAfter }), at).toEqual(
							[...model.keys()]
								.filter(
									(path) =>
										path.startsWith(prefix) &&
										compareUtf8(path, startAfter) > 0,
								)
								.sort(compareUtf8),
						);
					}
				}
			}
		});
	});
}
