import { expect, test } from "vitest";
import type { Operation } from "../../../src/storage/memory.ts";
import { BAD, Bucket, feed, MODES, rowsUpTo } from "./writer-bucket.ts";

/*
 * The invariants of ARCHITECTURE.md, each by itself. All of them together, under kills, zombies and a
 * failing store, are what simulation.test.ts holds.
 */

test.each(MODES)(
	"invariant 1, %s: whatever operation a writer dies at, before or after its effect, a change is in the table if and only if its offset is",
	async (mode) => {
		for (const when of ["before", "after"] as const)
			for (let last = 0; ; last++) {
				const bucket = new Bucket(mode);
				const first = bucket.writer();
				await first.load(0, 1);
				for (const offset of [0, 1]) feed(first, offset);
				await first.flush();
				let operations = 0;
				const dies = bucket.writer(() => {
					if (operations++ < last) return undefined;
					return operations === last + 1
						? { [when]: new Error("died") }
						: { before: new Error("dead") };
				});
				const run = (async () => {
					await dies.load(0, 1);
					for (const offset of [2, 3]) feed(dies, offset);
					feed(dies, 4, { value: Buffer.from(BAD) });
					await dies.flush();
				})();
				const finished = await run.then(
					() => true,
					() => false,
				);
				const at = await bucket.position();
				expect([1, 4]).toContain(at);
				expect(await bucket.rows()).toEqual(rowsUpTo(at === 4 ? 3 : 1));
				// Whoever comes next reads on from there, and has everything once.
				const next = bucket.writer();
				expect(await next.load(0, 1)).toBe(BigInt(at));
				for (const offset of [2, 3]) feed(next, offset);
				feed(next, 4, { value: Buffer.from(BAD) });
				feed(next, 5);
				await next.flush();
				expect(await bucket.rows()).toEqual(
					rowsUpTo(5).filter((row) => !row.startsWith("0-4/")),
				);
				expect(await bucket.letters()).toEqual(["4"]);
				if (finished && operations <= last) {
					expect(last).toBeGreaterThan(8);
					break;
				}
			}
	},
);

test.each(MODES)(
	"invariant 2, %s: a zombie drops its batch, and reads its position again; the position does not go back",
	async (mode) => {
		const bucket = new Bucket(mode);
		const [zombie, owner] = [bucket.writer(), bucket.writer()];
		for (const writer of [zombie, owner]) await writer.load(0, 1);
		for (const offset of [0, 1]) feed(zombie, offset);
		for (const offset of [0, 1, 2]) feed(owner, offset);
		expect(await owner.flush()).toMatchObject({ kind: "committed", rows: 3 });
		expect(await zombie.flush()).toMatchObject({
			kind: "fenced",
			reason: expect.stringContaining(
				"is at offset 2 in the table, not at none",
			),
		});
		expect(await bucket.rows()).toEqual(rowsUpTo(2));
		zombie.reset();
		expect(await zombie.load(0, 1)).toBe(2n);
		for (const offset of [1, 2, 3]) feed(zombie, offset);
		expect(await zombie.flush()).toMatchObject({ kind: "committed", rows: 1 });
		// Now the other one is behind.
		feed(owner, 3);
		expect(await owner.flush()).toMatchObject({ kind: "fenced" });
		expect(await bucket.rows()).toEqual(rowsUpTo(3));
		expect(await bucket.position()).toBe(3);
	},
);

test.each(
	MODES.flatMap((mode) => [
		[mode, "took effect", "after"] as const,
		[mode, "did not", "before"] as const,
	]),
)(
	"invariant 3, %s: a commit without an answer that %s is found out by reading it back, and is made once",
	async (mode, _, when) => {
		const bucket = new Bucket(mode);
		let commits = 0;
		const writer = bucket.writer((operation, path) =>
			operation === "putIfAbsent" &&
			path.endsWith(".json") &&
			++commits % 2 === 1
				? { [when]: new Error("no answer") }
				: undefined,
		);
		await writer.load(0, 1);
		for (let offset = 0; offset < 6; offset++) {
			feed(writer, offset);
			expect(await writer.flush()).toMatchObject({
				kind: "committed",
				version: offset,
			});
		}
		expect(await bucket.rows()).toEqual(rowsUpTo(5));
		expect(await bucket.position()).toBe(5);
	},
);

test.each([
	["pipeline", { pipeline: "other.shop" }],
	["cluster", { clusterId: "other" }],
	["topic of the same name", { topicId: "other" }],
] as const)(
	"invariant 4: another %s does not go on where the old one was",
	async (what, identity) => {
		const bucket = new Bucket("append");
		const writer = bucket.writer();
		await writer.load(0, 1);
		for (const offset of [0, 1, 2]) feed(writer, offset);
		await writer.flush();
		const other = bucket.writer(undefined, identity);
		if (what === "topic of the same name")
			await expect(other.load(0, 1)).rejects.toMatchObject({
				code: "KAFKA_POSITION_LOST",
			});
		else expect(await other.load(0, 1)).toBeUndefined();
		expect(await bucket.writer().load(0, 1)).toBe(2n);
		expect(await bucket.writer().load(1, 2)).toBeUndefined();
	},
);

const NASTY: Readonly<Record<string, Buffer>> = {
	"no JSON": Buffer.from(BAD),
	"cut off": Buffer.from('{"op":"c","after":"{\\"_id\\":1'),
	"no UTF-8": Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
	"no object": Buffer.from("[1,2]"),
	"no envelope": Buffer.from("true"),
	zeros: Buffer.alloc(64),
	"nested without end": Buffer.from(`{"after":${"[".repeat(100_000)}`),
	"a document nested without end": Buffer.from(
		JSON.stringify({
			op: "c",
			after: `{"_id":"x","n":${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}}`,
		}),
	),
	"numbers that nothing holds": Buffer.from(
		JSON.stringify({
			op: "c",
			after: '{"_id":"x","n":1e400,"m":-0,"big":99999999999999999999}',
		}),
	),
	"other types": Buffer.from(
		JSON.stringify({ op: "c", after: '{"_id":"x","n":{"$oid":5}}' }),
	),
	"no key": Buffer.from(JSON.stringify({ op: "c", after: '{"n":1}' })),
	"an unknown operation": Buffer.from(
		JSON.stringify({ op: "zz", after: '{"_id":"x"}' }),
	),
};

test.each(MODES)(
	"invariant 5, %s: nothing that arrives stops the stream: a row, a rescued value or a dead letter",
	async (mode) => {
		const bucket = new Bucket(mode);
		const writer = bucket.writer();
		await writer.load(0, 1);
		let offset = 0;
		feed(writer, offset++);
		let rows = 1;
		const dead: string[] = [];
		for (const [what, value] of Object.entries(NASTY)) {
			const kind = feed(writer, offset, { value })?.kind;
			expect(["row", "dead-letter"], what).toContain(kind);
			if (kind === "row") rows++;
			else dead.push(String(offset));
			offset++;
			feed(writer, offset++);
			rows++;
			expect(await writer.flush(), what).toMatchObject({ kind: "committed" });
		}
		expect(await bucket.letters()).toEqual(dead.sort());
		expect(await bucket.position()).toBe(offset - 1);
		const found = await bucket.rows();
		// In a mirror the rows of one key are one.
		if (mode === "append") expect(found).toHaveLength(rows);
		for (let n = 0; n < offset; n += 2) expect(found).toContain(`0-${n}/${n}`);
	},
);

test.each(MODES)(
	"invariant 6, %s: a batch that loses races is planned again; its files are written once",
	async (mode) => {
		const bucket = new Bucket(mode);
		const other = bucket.writer();
		await other.load(1, 2);
		let races = 0;
		// Another version takes the place while this one is on its way.
		const race = async (operation: Operation, path: string): Promise<void> => {
			if (operation !== "putIfAbsent" || !/\d{20}\.json$/.test(path)) return;
			if (races === 3) return;
			feed(other, races++, { partition: 1 });
			expect(await other.flush()).toMatchObject({ kind: "committed" });
		};
		const writer = bucket.writer(undefined, {}, race);
		await writer.load(0, 2);
		let decoded = 0;
		for (const offset of [0, 1, 2])
			decoded += feed(writer, offset)?.kind === "row" ? 1 : 0;
		expect(await writer.flush()).toMatchObject({ kind: "committed", rows: 3 });
		expect(races).toBe(3);
		expect(decoded).toBe(3);
		expect(await bucket.rows()).toEqual(
			[...rowsUpTo(2), ...rowsUpTo(2, 1)].sort(),
		);
		// One of this batch, one of each of the others.
		expect(bucket.puts).toBe(4);
	},
);
