import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Database } from "../../../src/ingest/database.ts";
import type { Fault, Operation } from "../../../src/storage/memory.ts";
import { generator, seedOf } from "../../support/seed.ts";
import { configOf, sharedDatabase, World } from "./ingestion.ts";

const ROUNDS = Number(process.env.ROUNDS ?? 25);

/** A process that stops at some step: it never goes on, or goes on when others have done its work. */
class Fate {
	readonly #random: () => number;
	readonly #stopAt: number;
	#steps = 0;
	#resume: () => void = () => {};
	readonly #resumed = new Promise<void>((resolve) => {
		this.#resume = resolve;
	});
	#told: () => void = () => {};
	/** Settles when the process stops. */
	readonly stopped = new Promise<void>((resolve) => {
		this.#told = resolve;
	});

	constructor(random: () => number, steps: number) {
		this.#random = random;
		this.#stopAt = Math.floor(random() * steps);
	}

	/** Before and after each step of the process. */
	async step(): Promise<void> {
		if (this.#steps++ < this.#stopAt) return;
		this.#told();
		await this.#resumed;
	}

	resume(): void {
		this.#resume();
	}

	/** Requests whose effect or whose answer is lost. */
	fault(operation: Operation, path: string): Fault | undefined {
		if (this.#random() > 0.04) return undefined;
		const lost = new Error(`${operation} ${path} was lost`);
		return this.#random() < 0.5 ? { before: lost } : { after: lost };
	}

	database(db: Database): Database {
		return {
			...db,
			query: async <R>(sql: string, values?: readonly unknown[]) => {
				await this.step();
				const rows = await db.query<R>(sql, values);
				await this.step();
				return rows;
			},
		};
	}
}

test("every row of every file is in the table once, whichever step processes stop at, and when they come back", async () => {
	const seed = seedOf();
	const db = await sharedDatabase();
	for (let round = 0; round < ROUNDS; round++) {
		const random = generator(seed + round);
		const label = `SEED=${seed + round} ROUNDS=1`;
		const world = new World(db);
		const config = configOf({
			id: `default.${randomUUID()}`,
			// Others' files can be taken at once.
			staleMs: 0,
			commit: { maxFiles: 1 + Math.floor(random() * 4), maxBytes: 2 ** 30 },
			parallelism: 1 + Math.floor(random() * 3),
			batchBytes: 40,
			retry: { limit: 50, delayMs: 1, waitMs: 1000 },
		});
		const contents = new Map<string, number>();
		const write = async (name: string): Promise<void> => {
			const generation = (contents.get(name) ?? 0) + 1;
			contents.set(name, generation);
			await world.put(
				name,
				Array.from(
					{ length: Math.floor(random() * 6) },
					(_, i) => `{"file":"${name}","generation":${generation},"i":${i}}\n`,
				).join(""),
			);
		};
		for (let i = 0; i < 5; i++) await write(`f${i}.json`);
		const fates: Fate[] = [];
		const runs: Promise<unknown>[] = [];
		for (let process = 0; process < 3; process++) {
			const fate = new Fate(random, 120);
			fates.push(fate);
			const turn = (): Promise<void> => fate.step();
			const fault = (operation: Operation, path: string) =>
				fate.fault(operation, path);
			const run = world
				.run(config, {
					db: fate.database(db),
					source: { turn, fault },
					target: { turn, fault },
					random,
				})
				// What a run is told to have failed for is the next run's work.
				.catch(() => undefined);
			runs.push(run);
			if (random() < 0.5) await Promise.race([run, fate.stopped]);
			if (random() < 0.6) await write(`f${Math.floor(random() * 5)}.json`);
		}
		await Promise.race([
			Promise.all(runs),
			Promise.all(fates.map(({ stopped }) => stopped)),
			new Promise((resolve) => setTimeout(resolve, 300)),
		]);
		const wanted = (): string[] =>
			[...world.files]
				.flatMap(([, { body }]) =>
					Buffer.from(body).toString().split("\n").filter(Boolean),
				)
				.sort();
		const found = async (): Promise<string[]> =>
			(await world.rows())
				.map(
					({ file, generation, i }) =>
						`{"file":"${file}","generation":${generation},"i":${i}}`,
				)
				.sort();
		await world.run(config);
		expect(await found(), label).toEqual(wanted());
		for (const fate of fates) fate.resume();
		await Promise.all(runs);
		await world.run(config);
		expect(await found(), `${label}, after they came back`).toEqual(wanted());
	}
}, 300_000);
