import { expect, test } from "vitest";
import { MemoryPool } from "../../../src/columnar/memory-pool.ts";
import { seeded } from "../../support/changes.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

test("memory is lent again only when it was given back, and never twice at a time", () => {
	const pool = new MemoryPool({ smallest: 1000, most: 1e6, wipes: false });
	const first = pool.take(400_000);
	const second = pool.take(300_000);
	expect(second).not.toBe(first);
	pool.giveBack(first);
	pool.giveBack(first);
	expect(pool.take(350_000)).toBe(first);
	expect(pool.take(350_000)).not.toBe(first);
	expect(pool.has(first)).toBe(true);
	expect(pool.has(pool.take(100))).toBe(false);
});

test("what the pool has not lent it does not take", () => {
	const pool = new MemoryPool({ smallest: 8, most: 1e6, wipes: true });
	const own = new Uint8Array(4096).fill(7);
	pool.giveBack(own.buffer);
	expect(own[0]).toBe(7);
	expect(pool.take(4096)).not.toBe(own.buffer);
});

test("not more is kept than the pool may keep, and first of all what is asked for", () => {
	const pool = new MemoryPool({ smallest: 8, most: 100_000, wipes: false });
	const once = [1, 2, 3].map(() => pool.take(30_000));
	for (const buffer of once) pool.giveBack(buffer);
	const often = [1, 2].map(() => pool.take(40_960));
	for (const buffer of often) pool.giveBack(buffer);
	const again = [1, 2].map(() => pool.take(40_960));
	expect(new Set(again)).toEqual(new Set(often));
	expect(once).not.toContain(pool.take(30_000));
	const large = pool.take(200_000);
	pool.giveBack(large);
	expect(pool.take(200_000)).not.toBe(large);
});

test(`lent buffers are large enough, zeros, and each has one user (SEED=${SEED})`, () => {
	const random = seeded(SEED);
	const pool = new MemoryPool({ smallest: 64, most: 200_000, wipes: true });
	const used = new Set<ArrayBuffer>();
	for (let step = 0; step < 5000; step++) {
		if (used.size > 0 && random() < 0.5) {
			const [one] = used;
			if (one === undefined) throw new Error("there is one");
			used.delete(one);
			pool.giveBack(one);
			continue;
		}
		const bytes = Math.floor(random() ** 3 * 50_000);
		const buffer = pool.take(bytes);
		expect(used.has(buffer)).toBe(false);
		expect(buffer.byteLength).toBeGreaterThanOrEqual(bytes);
		expect(buffer.byteLength % 8).toBe(0);
		const content = new Uint8Array(buffer);
		expect(content.every((byte) => byte === 0)).toBe(true);
		content.fill(0xee);
		used.add(buffer);
	}
});
