import { expect, test } from "vitest";
import { decodeRecord } from "../../../src/index/journal.ts";
import {
	IndexDamagedError,
	type IndexIdentity,
	IndexMemory,
	KeyIndex,
	NO_FILE,
} from "../../../src/index/key-index.ts";
import type { Disk } from "../../../src/storage/disk.ts";
import {
	type MemoryDisk,
	openMemoryDisk,
} from "../../../src/storage/memory-disk.ts";
import { generator, seedOf } from "../../support/seed.ts";
import { keysOf, placesOf } from "./keys.ts";

const OF: IndexIdentity = { tableId: "t", shard: "0", keyColumns: ["id"] };

interface State {
	readonly version: number;
	readonly places: ReadonlyMap<string, { file: string; row: number }>;
}

test("an index that was torn by a crash stands for an older version, and for that one wholly", async () => {
	const seed = seedOf();
	console.log(`seed ${seed}`);
	const random = generator(seed);
	const int = (below: number): number => Math.floor(random() * below);
	for (let run = 0; run < 12; run++) {
		const disk = openMemoryDisk();
		const memory = new IndexMemory(int(2) === 0 ? 64 * 1024 : 1 << 24);
		let index = await KeyIndex.open({ disk, memory, identity: OF });
		expect(index.unused).toBe("there is none");
		let damaged = false;
		let state: State = { version: -1, places: new Map() };
		const states = new Map<number, State>([[-1, state]]);
		const range = 50 + int(3000);
		// A mirror may hardly ever see a deleted row or a new one.
		const deletions = [0, 0.02, 0.2][int(3)] as number;
		const rarely = int(2) === 0 ? 20 : 6;
		for (let step = 0; step < 40; step++) {
			await unlessDamaged(step, async () => {
				state = await change(index, state);
				states.set(state.version, state);
				await check(index, state);
			});
			switch (int(8)) {
				case 0:
					await index.close();
					index = await KeyIndex.open({ disk, memory, identity: OF });
					expect(index.unused).toBeUndefined();
					expect(index.version).toBe(state.version);
					break;
				case 1: {
					disk.crash(random);
					await index.close();
					index = await KeyIndex.open({ disk, memory, identity: OF });
					state = states.get(index.version) as State;
					expect(state).toBeDefined();
					break;
				}
				case 2: {
					await index.close();
					const files = (await disk.list()).sort();
					const file = files[int(files.length)] as string;
					disk.damage(file, int(disk.size(file)));
					damaged = true;
					index = await KeyIndex.open({ disk, memory, identity: OF });
					state = states.get(index.version) as State;
					break;
				}
				case 3:
					await unlessDamaged(step, () => index.finish(state.version));
					break;
			}
			await unlessDamaged(step, () => check(index, state));
		}
		await index.close();
		expect(memory.used).toBe(0);

		/** A damaged page is told when it is read, be it long after; all is forgotten then. */
		async function unlessDamaged(
			step: number,
			act: () => Promise<void>,
		): Promise<void> {
			try {
				await act();
			} catch (error) {
				if (!damaged || !(error instanceof IndexDamagedError))
					throw new Error(`seed ${seed}, run ${run}, step ${step}`, {
						cause: error,
					});
				await index.begin();
				state = { version: -1, places: new Map() };
				damaged = false;
			}
		}

		async function change(from: KeyIndex, before: State): Promise<State> {
			const places = new Map(before.places);
			const version = before.version + 1;
			const clear = int(5 * rarely) === 0;
			const path = `file ${version} ${int(1e9)}`;
			const number = from.allocate();
			const files: [number, string | undefined][] = [[number, path]];
			if (clear) places.clear();
			const gone =
				int(rarely) === 0 ? [...from.files.entries()][0]?.[0] : undefined;
			if (gone !== undefined) {
				files.push([from.files.number(gone) as number, undefined]);
				for (const [key, place] of places)
					if (place.file === gone) places.delete(key);
			}
			const changed = new Map<string, number>();
			for (let n = int(600); n >= 0; n--) {
				const key = keyText(int(range));
				const deleted = random() < deletions;
				changed.set(key, deleted ? -1 : n);
				if (deleted) places.delete(key);
				else places.set(key, { file: path, row: n });
			}
			await from.apply({
				version,
				clear,
				files,
				places: placesOf(
					[...changed.keys()],
					[...changed.values()].map((row) => (row < 0 ? NO_FILE : number)),
					[...changed.values()].map((row) => Math.max(0, row)),
				),
			});
			return { version, places };
		}

		async function check(from: KeyIndex, expected: State): Promise<void> {
			const texts = Array.from({ length: range + 50 }, (_, n) => keyText(n));
			const { files, rows } = await from.lookUp(keysOf(texts));
			for (const [i, text] of texts.entries()) {
				const place = expected.places.get(text);
				const file =
					files[i] === NO_FILE ? undefined : from.files.key(files[i] as number);
				if (
					file !== place?.file ||
					(place !== undefined && rows[i] !== place.row)
				)
					throw new Error(
						`${text} is in ${file}, row ${rows[i]}, not in ${JSON.stringify(place)}`,
					);
			}
		}
	}
});

/** Short and long keys. */
function keyText(n: number): string {
	return n % 3 === 0 ? `key ${n}` : `a key that is longer than it fits ${n}`;
}

test("two keys of one hash keep their own places, in memory and on disk", async () => {
	const disk = openMemoryDisk();
	const memory = new IndexMemory(1 << 20);
	const index = await KeyIndex.open({ disk, memory, identity: OF });
	const texts = ["the first of two long keys", "the second of two long keys"];
	const keys = keysOf(texts);
	for (let word = 0; word < 4; word++)
		keys.words[4 + word] = keys.words[word] as number;
	const file = index.allocate();
	await index.apply({
		version: 0,
		files: [[file, "a"]],
		places: {
			keys,
			files: Uint32Array.of(file, file),
			rows: Uint32Array.of(10, 20),
		},
	});
	expect([...(await index.lookUp(keys)).rows]).toEqual([10, 20]);
	await index.apply({
		version: 1,
		files: [],
		places: {
			keys,
			files: Uint32Array.of(NO_FILE, file),
			rows: Uint32Array.of(0, 21),
			order: Uint32Array.of(0, 1),
		},
	});
	for (const merged of [false, true]) {
		if (merged) await index.finish(1);
		const { files, rows } = await index.lookUp(keys);
		expect([...files]).toEqual([NO_FILE, file]);
		expect(rows[1]).toBe(21);
	}
});

test("an index of another table, shard or key is not taken for this one's", async () => {
	const disk: MemoryDisk = openMemoryDisk();
	const memory = new IndexMemory(1 << 20);
	const index = await KeyIndex.open({ disk, memory, identity: OF });
	await index.apply({ version: 7, files: [[index.allocate(), "a"]] });
	await index.close();
	for (const other of [
		{ ...OF, tableId: "u" },
		{ ...OF, shard: "1" },
		{ ...OF, keyColumns: ["id", "x"] },
	]) {
		const copy = openMemoryDisk();
		for (const file of await disk.list())
			await copy.replace(file, (await disk.read(file)) as Uint8Array);
		const opened = await KeyIndex.open({ disk: copy, memory, identity: other });
		expect(opened.version).toBe(-1);
		expect(opened.unused).toMatch(/, not /);
		expect(await copy.list()).toEqual([]);
	}
	expect((await KeyIndex.open({ disk, memory, identity: OF })).version).toBe(7);
});

test("a journal of another state is not taken up", async () => {
	const disk = openMemoryDisk();
	const memory = new IndexMemory(1 << 20);
	const index = await KeyIndex.open({ disk, memory, identity: OF });
	const change = async (version: number, row: number) => {
		const file = index.allocate();
		await index.apply({
			version,
			files: [[file, `file ${version}`]],
			places: placesOf(["a"], [file], [row]),
		});
	};
	await change(0, 10);
	const manifest = (await disk.read("manifest")) as Uint8Array;
	const base = (await disk.read("base-1")) as Uint8Array;
	await change(1, 11);
	await change(2, 12);
	const journal = (await disk.read("journal-1")) as Uint8Array;
	await index.close();
	const copy = openMemoryDisk();
	await copy.replace("manifest", manifest);
	await copy.replace("base-1", base);
	// The record of version 2 alone, as if that of version 1 had got lost.
	const { next } = decodeRecord(journal, 0) as { next: number };
	await copy.replace("journal-1", journal.subarray(next));
	const opened = await KeyIndex.open({ disk: copy, memory, identity: OF });
	expect(opened.version).toBe(0);
	expect((await opened.lookUp(keysOf(["a"]))).rows[0]).toBe(10);
});

test("places in files that are gone take no room once the base is written again", async () => {
	const memory = new IndexMemory(1 << 20);
	const index = await KeyIndex.open({
		disk: openMemoryDisk(),
		memory,
		identity: OF,
	});
	const [old, kept] = [index.allocate(), index.allocate()];
	await index.apply({
		version: 0,
		files: [
			[old, "old"],
			[kept, "kept"],
		],
		places: placesOf(["a", "b", "c"], [old, old, kept], [0, 1, 0]),
	});
	expect(index.entries).toBe(3);
	await index.apply({ version: 1, files: [[old, undefined]] });
	await index.finish(1);
	expect(index.entries).toBe(1);
});

test("places that changed are written over where they are, and pages stay in memory", async () => {
	const folder = openMemoryDisk();
	let reads = 0;
	const disk: Disk = {
		...folder,
		open: async (name) => {
			const opened = await folder.open(name);
			return (
				opened && {
					...opened,
					read: (position, into) => {
						reads++;
						return opened.read(position, into);
					},
				}
			);
		},
	};
	const memory = new IndexMemory(64 * 2 ** 20);
	const index = await KeyIndex.open({ disk, memory, identity: OF });
	const count = 100_000;
	const ids = Array.from({ length: count }, (_, id) => id);
	const file = index.allocate();
	await index.apply({
		version: 0,
		files: [[file, "a"]],
		places: placesOf(
			ids,
			ids.map(() => file),
			ids,
		),
	});
	await index.lookUp(keysOf(ids));
	const { bytes } = index;
	const next = index.allocate();
	const changed = ids.filter((id) => id % 3 === 0);
	await index.apply({
		version: 1,
		files: [[next, "b"]],
		places: placesOf(
			changed,
			changed.map(() => next),
			changed.map((id) => id + 7),
		),
	});
	await index.finish(1);
	expect(index.bytes).toBe(bytes);
	reads = 0;
	const { files, rows } = await index.lookUp(keysOf(ids));
	expect(reads).toBe(0);
	for (const id of ids) {
		const is = id % 3 === 0;
		if (files[id] !== (is ? next : file) || rows[id] !== (is ? id + 7 : id))
			throw new Error(`${id} is at ${files[id]}, ${rows[id]}`);
	}
	await index.close();
	expect(memory.used).toBe(0);
});

test("millions of keys stay within the memory that was given", async () => {
	const disk = openMemoryDisk();
	const memory = new IndexMemory(16 * 2 ** 20);
	const index = await KeyIndex.open({ disk, memory, identity: OF });
	const count = Number(process.env.KEYS ?? 1_000_000);
	const file = index.allocate();
	let peak = 0;
	for (let from = 0; from < count; from += 50_000) {
		const ids = Array.from({ length: 50_000 }, (_, i) => from + i);
		await index.put(
			placesOf(
				ids,
				ids.map(() => file),
				ids,
			),
		);
		peak = Math.max(peak, memory.used);
	}
	await index.apply({ version: 1, files: [[file, "a"]] });
	expect(index.entries).toBe(count);
	const random = generator(7);
	for (let batch = 0; batch < 5; batch++) {
		const ids = Array.from({ length: 20_000 }, () =>
			Math.floor(random() * count * 1.1),
		);
		const { files, rows } = await index.lookUp(keysOf(ids));
		for (const [i, id] of ids.entries()) {
			if (
				files[i] !== (id < count ? file : NO_FILE) ||
				(id < count && rows[i] !== id)
			)
				throw new Error(`${id} is at ${files[i]}, ${rows[i]}`);
		}
		peak = Math.max(peak, memory.used);
	}
	expect(peak).toBeLessThan(18 * 2 ** 20);
	expect(index.bytes / count).toBeLessThan(28);
	await index.close();
	expect(memory.used).toBe(0);
}, 60_000);
