import { expect, test } from "vitest";
import { readAhead } from "../../../src/delta/read-ahead.ts";

function watched(fails?: number) {
	const log: string[] = [];
	let open = 0;
	let most = 0;
	return {
		log,
		most: () => most,
		options: {
			weight: (item: number) => item,
			open: async (item: number) => {
				log.push(`open ${item}`);
				most = Math.max(most, ++open);
				await new Promise((done) => setTimeout(done, 1));
				if (item === fails) throw new Error(`no ${item}`);
				return item;
			},
			close: async (item: number) => {
				open--;
				log.push(`close ${item}`);
			},
		},
		done: () => open--,
	};
}

test("items come in order, and the next ones are opened meanwhile", async () => {
	const { log, options } = watched();
	const got: number[] = [];
	for await (const [item, opened] of readAhead([1, 2, 3], options)) {
		expect(opened).toBe(item);
		got.push(item);
		if (item === 1) expect(log).toEqual(["open 1", "open 2", "open 3"]);
	}
	expect(got).toEqual([1, 2, 3]);
	expect(log).toHaveLength(3);
});

test("no more is held than the bound allows, but always one ahead", async () => {
	const heavy = watched();
	let seen = 0;
	for await (const _ of readAhead([9, 9, 9, 9], {
		...heavy.options,
		maxWeight: 1,
	})) {
		expect(heavy.log.length).toBe(Math.min(4, ++seen + 1));
		heavy.done();
	}
	expect(heavy.most()).toBe(2);
	const many = watched();
	for await (const _ of readAhead(
		Array.from({ length: 20 }, () => 0),
		{ ...many.options, maxCount: 3 },
	))
		many.done();
	expect(many.most()).toBe(3);
});

test("what was opened in vain is closed, and errors come at their place", async () => {
	const stopped = watched();
	for await (const [item] of readAhead([1, 2, 3], stopped.options))
		if (item === 1) break;
	expect(stopped.log.slice(3)).toEqual(["close 2", "close 3"]);

	const failing = watched(2);
	const got: number[] = [];
	await expect(
		(async () => {
			for await (const [item] of readAhead([1, 2, 3], failing.options))
				got.push(item);
		})(),
	).rejects.toThrow("no 2");
	expect(got).toEqual([1]);
	expect(failing.log.slice(3)).toEqual(["close 3"]);
});
