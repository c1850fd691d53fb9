import { expect, test } from "vitest";
import type { StoredObject } from "../../../src/storage/memory.ts";
import type { TableWriter } from "../../../src/writer/table-writer.ts";
import { Crash, Scheduler } from "../../support/scheduler.ts";
import { generator } from "../../support/seed.ts";
import { LetterWorld } from "./letter-world.ts";

const SEEDS = Number(
	process.env.REPLAY_SEEDS ?? (process.env.TEST_LONG ? 2000 : 40),
);
const MODES = ["append", "upsert"] as const;

/** Six changes of three rows, of which two were refused, and one that stays bad. */
async function refused(writeMode: "append" | "upsert"): Promise<LetterWorld> {
	const world = new LetterWorld({ writeMode });
	const writer = await world.writer();
	world.produce({ id: 1, n: 1 });
	world.feed(writer);
	await writer.flush();
	await world.constraint("positive", "n > 0");
	world.produce({ id: 2, n: -2 });
	world.produce({ id: 1, n: 3 });
	world.produce("{no json", { key: { id: 1 } });
	world.produce({ id: 3, n: -4 });
	const next = await world.writer();
	world.feed(next);
	await next.flush();
	await world.constraint("positive", undefined);
	return world;
}

const ROWS = {
	append: ["1 1", "1 3", "2 -2", "3 -4"],
	upsert: ["1 3", "2 -2", "3 -4"],
};
const LETTERS = [
	"0 1 replayed DELTA_CONSTRAINT_VIOLATED",
	"0 3 open JSON_INVALID",
	"0 4 replayed DELTA_CONSTRAINT_VIOLATED",
];

test.each(MODES)(
	"with %s, a replay that dies at any of its steps, and a second one, leave each row once",
	async (writeMode) => {
		const world = await refused(writeMode);
		const before = copyOf(world.buckets);
		let steps = 0;
		await world.replay(
			{},
			{
				turn: async () => {
					steps++;
				},
			},
		);
		expect(await world.rows("items", "id", "n")).toEqual(ROWS[writeMode]);
		expect(await world.letters()).toEqual(LETTERS);
		expect(steps).toBeGreaterThan(30);
		let died = 0;
		for (let last = 1; last <= steps; last++) {
			world.buckets.clear();
			for (const [path, objects] of copyOf(before))
				world.buckets.set(path, objects);
			let step = 0;
			await world
				.replay(
					{},
					{
						turn: async () => {
							if (++step > last) throw new Crash("dies");
						},
					},
				)
				.catch((error: unknown) => {
					died++;
					return error;
				});
			await world.replay();
			const note = `dies after step ${last}`;
			expect(await world.rows("items", "id", "n"), note).toEqual(
				ROWS[writeMode],
			);
			expect(await world.letters(), note).toEqual(LETTERS);
		}
		expect(died).toBeGreaterThan(steps / 2);
	},
);

test.each(MODES)(
	"with %s, a replay that was slow, not dead, when another took its letters over writes nothing",
	async (writeMode) => {
		const world = await refused(writeMode);
		let wake = (): void => {};
		let asleep = (): void => {};
		const sleeping = new Promise<void>((done) => {
			asleep = done;
		});
		let commits = 0;
		const slow = world
			.replay(
				{},
				{
					turn: async (operation) => {
						// The letters are taken, those that fail given back: next are the rows.
						if (operation !== "putIfAbsent" || ++commits !== 5) return;
						asleep();
						await new Promise<void>((go) => {
							wake = go;
						});
					},
				},
			)
			.catch((error: unknown) => error);
		await sleeping;
		expect(await world.letters()).toContain(
			"0 1 replaying DELTA_CONSTRAINT_VIOLATED",
		);
		expect(await world.rows("items", "id", "n")).not.toEqual(ROWS[writeMode]);
		await world.replay();
		wake();
		expect(await slow).toMatchObject({ code: "REPLAY_REFUSED" });
		expect(await world.rows("items", "id", "n")).toEqual(ROWS[writeMode]);
		expect(await world.letters()).toEqual(LETTERS);
	},
);

test("a letter of a topic that was made anew is not replayed over a change of the new one", async () => {
	const world = new LetterWorld({ writeMode: "upsert" });
	const kafka = { ...world.config.kafka, onPositionLost: "continue" as const };
	Object.assign(world.config, { kafka });
	const writer = await world.writer();
	world.produce({ id: 1, n: 1 });
	world.feed(writer);
	await writer.flush();
	await world.constraint("positive", "n > 0");
	world.produce({ id: 1, n: -2 });
	world.produce({ id: 2, n: -3 });
	const next = await world.writer();
	world.feed(next);
	await next.flush();
	await world.constraint("positive", undefined);
	world.recreateTopic();
	const anew = await world.writer();
	world.produce({ id: 1, n: 4 });
	world.feed(anew);
	await anew.flush();
	expect(await world.replay()).toEqual(["0 2 row"]);
	expect(await world.rows("items", "id", "n")).toEqual(["1 4", "2 -3"]);
});

function copyOf(
	buckets: ReadonlyMap<string, ReadonlyMap<string, StoredObject>>,
): Map<string, Map<string, StoredObject>> {
	return new Map(
		[...buckets].map(([path, objects]) => [path, new Map(objects)]),
	);
}

test.each(MODES)(
	`with %s, ${SEEDS} seeds of replays beside writers and each other, some of which die: each change once, nothing old over anything new`,
	{ timeout: 30 * 60_000 },
	async (writeMode) => {
		for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, writeMode);
	},
);

async function simulate(
	seed: number,
	writeMode: "append" | "upsert",
): Promise<void> {
	const random = generator(seed);
	const scheduler = new Scheduler(random);
	const world = new LetterWorld({
		writeMode,
		deletes: random() < 0.3 ? "soft" : "hard",
	});
	const newest = new Map<number, { n: number; gone: boolean }>();
	const changes: string[] = [];
	const produce = (valid: boolean): void => {
		const id = 1 + Math.floor(random() * 5);
		const partition = id % 2;
		if (!valid && random() < 0.2) {
			world.produce("{no json", { partition, key: { id } });
			return;
		}
		const gone = random() < 0.2;
		const n = (valid || random() < 0.5 ? 1 : -1) * (world.log.length + 1);
		const offset = world.produce(gone ? { op: "d", id } : { id, n }, {
			partition,
		});
		newest.set(id, { n, gone });
		changes.push(`${partition} ${offset}`);
	};
	world.produce({ id: 1, n: 1 }, { partition: 1 });
	newest.set(1, { n: 1, gone: false });
	changes.push("1 0");
	await write(world, await world.writer());
	await world.constraint("positive", "n > 0");
	for (let batch = 0; batch < 3; batch++) {
		for (let i = 0; i < 6; i++) produce(false);
		await write(world, await world.writer());
	}
	await world.constraint("positive", undefined);
	const turn = () => scheduler.turn();
	const writing = async (): Promise<void> => {
		let writer = await world.writer({ turn });
		for (let batch = 0; batch < 4; batch++) {
			for (let i = 0; i < 1 + random() * 3; i++) produce(true);
			await write(world, writer);
			if (random() < 0.3) writer = await world.writer({ turn });
		}
	};
	const replaying = async (): Promise<void> => {
		for (let i = 0; i < 2; i++) {
			const until = random() < 0.5 ? random() * 80 : Number.POSITIVE_INFINITY;
			let step = 0;
			await world
				.replay(
					{ batch: 1 + Math.floor(random() * 4) },
					{
						turn: async () => {
							await turn();
							if (++step > until) throw new Crash("dies");
						},
					},
				)
				.catch((error: unknown) => {
					if (!expected(error)) throw error;
				});
		}
	};
	await scheduler.run(Promise.all([writing(), replaying(), replaying()]));
	await write(world, await world.writer());
	await world.replay();
	const note = `seed ${seed}`;
	if (writeMode === "append")
		expect(
			await world.rows("items", "_kafka_partition", "_kafka_offset"),
			note,
		).toEqual(changes.sort());
	else {
		const soft = world.config.deletes === "soft";
		const rows = await world.rows(
			"items",
			"id",
			...(soft ? ["_deleted"] : []),
			"n",
		);
		const alive = rows.filter((row) => !row.includes("true"));
		expect(
			soft ? alive.map((row) => row.replace(" false", "")) : rows,
			note,
		).toEqual(
			[...newest]
				.filter(([, { gone }]) => !gone)
				.map(([id, { n }]) => `${id} ${n}`)
				.sort(),
		);
		const keys = rows.map((row) => row.split(" ")[0]);
		expect(new Set(keys).size, `${note}: rows of one key`).toBe(keys.length);
	}
	for (const letter of await world.letters())
		expect(letter, note).toMatch(
			/open JSON_INVALID|superseded|replayed DELTA_CONSTRAINT_VIOLATED/,
		);
}

/** Commits what the topic has, as a writer does: again after trouble, from its position. */
async function write(world: LetterWorld, writer: TableWriter): Promise<void> {
	for (;;) {
		world.feed(writer);
		const { kind } = await writer.flush();
		if (kind !== "fenced") return;
		writer.reset();
		for (const partition of [0, 1]) await writer.load(partition, 2);
	}
}

function expected(error: unknown): boolean {
	if (error instanceof Crash) return true;
	const code = error instanceof Error && "code" in error ? error.code : "";
	return (
		code === "REPLAY_REFUSED" ||
		(code === "DELTA_COMMIT_UNKNOWN" &&
			error instanceof Error &&
			error.message.includes("dies"))
	);
}
