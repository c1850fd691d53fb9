import { expect, test } from "vitest";
import type { Operation } from "../../../src/storage/memory.ts";
import { BAD, Bucket, feed, MODES, rowsUpTo } from "./writer-bucket.ts";

/*
 * What a rebalance meets half-done: each of these has cost or doubled rows once, in the simulation.
 */

/** Holds one operation, before its effect or after it, until it is released. */
function gate(
	when: "before" | "after",
	matches: (operation: Operation, path: string) => boolean,
): {
	readonly turn: (operation: Operation, path: string) => Promise<void>;
	readonly reached: Promise<void>;
	readonly release: () => void;
} {
	const reached = Promise.withResolvers<void>();
	const open = Promise.withResolvers<void>();
	// A turn comes before the effect, and one after it.
	let turns = 0;
	return {
		turn: async (operation, path) => {
			if (!matches(operation, path)) return;
			if (++turns !== (when === "before" ? 1 : 2)) return;
			reached.resolve();
			await open.promise;
		},
		reached: reached.promise,
		release: () => open.resolve(),
	};
}

function isCommit(operation: Operation, path: string): boolean {
	return operation === "putIfAbsent" && /\/\d{20}\.json$/.test(path);
}

test.each(MODES)(
	"%s: a commit that is under way while its partition goes to another writer and comes back is not compared with the new position",
	async (mode) => {
		const bucket = new Bucket(mode);
		const slow = gate("before", isCommit);
		const writer = bucket.writer(undefined, {}, slow.turn);
		await writer.load(0, 1);
		for (const offset of [0, 1]) feed(writer, offset);
		const underWay = writer.flush();
		await slow.reached;
		const owner = bucket.writer();
		await owner.load(0, 1);
		for (const offset of [0, 1, 2]) feed(owner, offset);
		expect(await owner.flush()).toMatchObject({ kind: "committed" });
		writer.reset();
		expect(await writer.load(0, 1)).toBe(2n);
		slow.release();
		expect(await underWay).toMatchObject({ kind: "fenced" });
		expect(await bucket.position()).toBe(2);
		expect(await bucket.rows()).toEqual(rowsUpTo(2));
	},
);

test.each(MODES)(
	"%s: rows that were decoded again during a commit are not committed behind it",
	async (mode) => {
		const bucket = new Bucket(mode);
		const slow = gate("before", isCommit);
		const writer = bucket.writer(undefined, {}, slow.turn);
		await writer.load(0, 1);
		for (const offset of [0, 1]) feed(writer, offset);
		const underWay = writer.flush();
		await slow.reached;
		writer.reset();
		expect(await writer.load(0, 1)).toBeUndefined();
		for (const offset of [0, 1]) feed(writer, offset);
		slow.release();
		expect(await underWay).toMatchObject({ kind: "committed", rows: 2 });
		expect(await writer.flush()).toMatchObject({ kind: "fenced" });
		expect(await bucket.rows()).toEqual(rowsUpTo(1));
	},
);

test.each(MODES)(
	"%s: that a partition had no position is not forgotten while its rows wait",
	async (mode) => {
		const bucket = new Bucket(mode);
		const [writer, owner] = [bucket.writer(), bucket.writer()];
		await writer.load(0, 1);
		for (const offset of [0, 1]) feed(writer, offset);
		await owner.load(0, 1);
		for (const offset of [0, 1, 2]) feed(owner, offset);
		expect(await owner.flush()).toMatchObject({ kind: "committed" });
		// As when a gap in a partition's offsets is looked into.
		expect(await writer.load(0, 1)).toBeUndefined();
		expect(await writer.flush()).toMatchObject({ kind: "fenced" });
		expect(await bucket.position()).toBe(2);
		expect(await bucket.rows()).toEqual(rowsUpTo(2));
	},
);

test.each(MODES)(
	"%s: a look at the table that took long does not bring an older version back",
	async (mode) => {
		const bucket = new Bucket(mode);
		let looks = false;
		// The table was read by then.
		const slow = gate("before", () => looks);
		const writer = bucket.writer(undefined, {}, slow.turn, "letters");
		await writer.load(0, 2);
		feed(writer, 0);
		await writer.flush();
		looks = true;
		const look = writer.load(1, 2);
		await slow.reached;
		feed(writer, 1);
		expect(await writer.flush()).toMatchObject({ version: 1 });
		slow.release();
		await look;
		expect(writer.version).toBe(1);
		feed(writer, 2);
		expect(await writer.flush()).toMatchObject({ version: 2 });
		expect(await bucket.rows()).toEqual(rowsUpTo(2));
	},
);

test.each(MODES)(
	"%s: a position that was asked for before a rebalance does not replace one that is in use",
	async (mode) => {
		const bucket = new Bucket(mode);
		const slow = gate("after", (operation) => operation === "list");
		const writer = bucket.writer(undefined, {}, slow.turn);
		const before = writer.load(0, 1);
		await slow.reached;
		writer.reset();
		await writer.load(0, 1);
		feed(writer, 0);
		expect(await writer.flush()).toMatchObject({ kind: "committed" });
		slow.release();
		await before;
		expect(writer.committedOffset(0)).toBe(0n);
		feed(writer, 1);
		expect(await writer.flush()).toMatchObject({ kind: "committed" });
		expect(await bucket.rows()).toEqual(rowsUpTo(1));
	},
);

test.each(MODES)(
	"%s: dead letters that are under way while their partition goes to another writer and comes back are not kept twice",
	async (mode) => {
		const bucket = new Bucket(mode);
		const slow = gate("before", isCommit);
		const writer = bucket.writer(undefined, {}, slow.turn, "letters");
		await writer.load(0, 1);
		feed(writer, 0, { value: Buffer.from(BAD) });
		feed(writer, 1);
		const underWay = writer.flush();
		await slow.reached;
		const owner = bucket.writer();
		await owner.load(0, 1);
		feed(owner, 0, { value: Buffer.from(BAD) });
		feed(owner, 1);
		expect(await owner.flush()).toMatchObject({ kind: "committed" });
		writer.reset();
		expect(await writer.load(0, 1)).toBe(1n);
		slow.release();
		expect(await underWay).toMatchObject({ kind: "fenced" });
		expect(await bucket.letters()).toEqual(["0"]);
		expect(await bucket.rows()).toEqual(["0-1/1"]);
	},
);
