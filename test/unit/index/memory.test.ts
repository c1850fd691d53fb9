import { expect, test } from "vitest";
import { IndexMemory } from "../../../src/index/memory.ts";

test("changes take what no page has a use for, and give it back at their next merge once pages want it", () => {
	const memory = new IndexMemory(1000);
	const cache = { reclaim: () => {} };
	expect(memory.changesAbove(1000)).toBe(0);
	memory.addChanges(700);
	expect(memory.reserve(300, cache)).toBe(true);
	expect(memory.changesAbove(0)).toBe(0);
	expect(memory.changesAbove(1)).toBe(1);
	expect(memory.reserve(1, cache)).toBe(false);
	// More than a quarter is too much from here on.
	expect(memory.changesAbove(0)).toBe(450);
	memory.addChanges(-700);
	expect(memory.reserve(450, cache)).toBe(true);
	expect(memory.changesAbove(0)).toBe(-250);
	expect(memory.used).toBe(750);
});

test("a cache that is not in use makes room for the pages of another", () => {
	const memory = new IndexMemory(1000);
	const old = { reclaim: () => memory.addPages(-700) };
	const next = { reclaim: () => {} };
	expect(memory.reserve(700, old)).toBe(true);
	expect(memory.reserve(100, next)).toBe(true);
	expect(memory.used).toBe(100);
});
