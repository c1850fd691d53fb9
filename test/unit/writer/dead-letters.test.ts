import { expect, test } from "vitest";
import { LetterWorld } from "./letter-world.ts";

test.each(["append", "upsert"] as const)(
	"with %s, rows that break a constraint don't keep the others of their batch out",
	async (writeMode) => {
		const world = new LetterWorld({ writeMode });
		let writer = await world.writer();
		world.produce({ id: 1, n: 1 });
		world.feed(writer);
		await writer.flush();
		await world.constraint("positive", "n > 0");
		writer = await world.writer();
		world.produce({ id: 2, n: 2 });
		world.produce({ id: 3, n: -3 });
		world.produce("{no json", { key: { id: 4 } });
		world.produce({ id: 5, n: 5 });
		world.produce({ id: 6, n: -6 });
		world.feed(writer);
		expect(await writer.flush()).toMatchObject({ kind: "committed", rows: 2 });
		expect(await world.rows("items", "id")).toEqual(["1", "2", "5"]);
		expect(await world.letters()).toEqual([
			"0 2 open DELTA_CONSTRAINT_VIOLATED",
			"0 3 open JSON_INVALID",
			"0 5 open DELTA_CONSTRAINT_VIOLATED",
		]);
		expect(
			await world.rows("_dead_letters", "offset", "error_message"),
		).toContainEqual(
			"2 the check constraint positive (n > 0) is not true: n = -3",
		);
		expect(writer.committedOffset(0)).toBe(5n);
	},
);

test("a constraint that comes while a batch is pending has the batch read again, and then sets rows aside", async () => {
	const world = new LetterWorld();
	const writer = await world.writer();
	world.produce({ id: 1, n: 1 });
	world.feed(writer);
	await writer.flush();
	world.produce({ id: 2, n: -2 });
	world.produce({ id: 3, n: 3 });
	world.feed(writer);
	await world.constraint("positive", "n > 0");
	expect(await writer.flush()).toMatchObject({ kind: "fenced" });
	writer.reset();
	for (const partition of [0, 1]) await writer.load(partition, 2);
	world.feed(writer);
	expect(await writer.flush()).toMatchObject({ kind: "committed", rows: 1 });
	expect(await world.letters()).toEqual(["0 1 open DELTA_CONSTRAINT_VIOLATED"]);
});

test("what was kept as a dead letter before a crash stays one, whatever the rules are by then", async () => {
	const world = new LetterWorld();
	let writer = await world.writer();
	world.produce({ id: 1, n: 1 });
	world.feed(writer);
	await writer.flush();
	await world.constraint("positive", "n > 0");
	world.produce({ id: 2, n: 2 });
	world.produce({ id: 3, n: -3 });
	world.produce({ id: 4, n: 4 });
	let commits = 0;
	writer = await world.writer({
		fault: (operation) => {
			if (operation === "putIfAbsent") commits++;
			return commits >= 2 ? { before: new Error("crash") } : undefined;
		},
	});
	world.feed(writer);
	await expect(writer.flush()).rejects.toThrow("crash");
	expect(await world.letters()).toHaveLength(1);
	expect(await world.rows("items", "id")).toEqual(["1"]);
	await world.constraint("positive", undefined);
	writer = await world.writer();
	world.feed(writer);
	await writer.flush();
	expect(await world.rows("items", "id")).toEqual(["1", "2", "4"]);
	expect(await world.letters()).toEqual(["0 2 open DELTA_CONSTRAINT_VIOLATED"]);
	expect(await world.replay()).toEqual(["0 2 row"]);
	expect(await world.rows("items", "id", "_kafka_offset")).toEqual([
		"1 0",
		"2 1",
		"3 2",
		"4 3",
	]);
	expect(await world.letters()).toEqual([
		"0 2 replayed DELTA_CONSTRAINT_VIOLATED",
	]);
	expect(await world.replay()).toEqual([]);
});

test("a batch that is tried again does not count its own rows as newer than its dead letters", async () => {
	const world = new LetterWorld({ writeMode: "upsert" });
	let writer = await world.writer();
	world.produce({ id: 1, n: 1 });
	world.feed(writer);
	await writer.flush();
	await world.constraint("positive", "n > 0");
	let commits = 0;
	let away = true;
	writer = await world.writer({
		fault: (operation) =>
			// The first one is that of the dead letters.
			operation === "putIfAbsent" && ++commits > 1 && away
				? { before: new Error("away") }
				: undefined,
	});
	world.produce({ id: 1, n: 2 });
	world.produce({ id: 1, n: -3 });
	world.feed(writer);
	await expect(writer.flush()).rejects.toThrow("away");
	away = false;
	expect(await writer.flush()).toMatchObject({ kind: "committed", rows: 1 });
	expect(await world.letters()).toEqual(["0 2 open DELTA_CONSTRAINT_VIOLATED"]);
});

test("a zombie's dead letters are not kept beside those of the partition's new owner", async () => {
	const world = new LetterWorld();
	const first = await world.writer();
	world.produce({ id: 1, n: 1 });
	world.feed(first);
	await first.flush();
	const [zombie, owner] = [await world.writer(), await world.writer()];
	world.produce("{no json");
	world.produce({ id: 2, n: 2 });
	world.feed(zombie);
	world.feed(owner);
	await owner.flush();
	expect(await zombie.flush()).toMatchObject({ kind: "fenced" });
	expect(await world.letters()).toEqual(["0 1 open JSON_INVALID"]);
	expect(await world.rows("items", "id")).toEqual(["1", "2"]);
});

test("a poison message at the end of a topic does not stay behind the table's position", async () => {
	const world = new LetterWorld({ writeMode: "upsert" });
	const writer = await world.writer();
	world.produce({ id: 1, n: 1 });
	world.feed(writer);
	await writer.flush();
	world.produce("{no json");
	world.feed(writer);
	await writer.flush();
	expect(writer.committedOffset(0)).toBe(1n);
	expect(writer.idle).toBe(true);
});

test("a mirror's dead letter is of no more use once its row has a newer change, be it a delete of a row that is not there", async () => {
	const world = new LetterWorld({ writeMode: "upsert" });
	const writer = await world.writer();
	world.produce({ id: 9, n: 1 });
	world.feed(writer);
	await writer.flush();
	const poison = (id: number) =>
		world.produce(`{no json ${id}`, { key: { id } });
	for (const id of [1, 2, 3]) poison(id);
	world.produce({ id: 1, n: 10 });
	poison(1);
	world.feed(writer);
	await writer.flush();
	expect(await world.letters()).toEqual([
		"0 1 superseded JSON_INVALID",
		"0 2 open JSON_INVALID",
		"0 3 open JSON_INVALID",
		"0 5 open JSON_INVALID",
	]);
	const next = await world.writer();
	world.produce({ op: "d", id: 2 });
	world.feed(next);
	await next.flush();
	expect(await world.letters()).toEqual([
		"0 1 superseded JSON_INVALID",
		"0 2 superseded JSON_INVALID",
		"0 3 open JSON_INVALID",
		"0 5 open JSON_INVALID",
	]);
	world.produce('{"op":"t"}');
	world.feed(next);
	await next.flush();
	expect((await world.letters()).join()).not.toContain("open");
});
