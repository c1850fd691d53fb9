import { expect, test } from "vitest";
import { I64Builder } from "../../../src/columnar/builder.ts";
import { BytesBuilder } from "../../../src/columnar/bytes-builder.ts";
import { Presence } from "../../../src/columnar/presence.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1e9);

function random(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}

test("after any marks and truncations, validity is that of the slots that are set", () => {
	const below = random(SEED);
	for (let run = 0; run < 300; run++) {
		const presence = new Presence();
		const model = new Set<number>();
		let length = 0;
		for (let step = 0; step < 60; step++) {
			const at = Math.max(0, length + below(5) - 2);
			if (below(4) === 0) {
				presence.truncate(at);
				length = Math.min(length, at);
			} else {
				presence.mark(at);
				length = at + 1;
				model.add(at);
			}
			for (const slot of model) if (slot >= length) model.delete(slot);
			expect([presence.length, presence.count], `SEED=${SEED}`).toEqual([
				length,
				model.size,
			]);
			for (let i = 0; i < length; i++)
				if (presence.has(i) !== model.has(i))
					expect.fail(`SEED=${SEED}: slot ${i} in run ${run}`);
			if (below(20) === 0) {
				const total = length + below(3);
				const validity = presence.take(total);
				const expected = Array.from({ length: total }, (_, i) =>
					model.has(i) ? 1 : 0,
				);
				expect(
					validity === undefined ? expected.map(() => 1) : [...validity],
					`SEED=${SEED}`,
				).toEqual(expected);
				model.clear();
				length = 0;
			}
		}
	}
});

test("a slot of bytes that was taken back leaves no bytes behind", () => {
	const builder = new BytesBuilder("string");
	const text = (value: string): Buffer => Buffer.from(value);
	builder.set(0, text("zero"));
	builder.set(3, text("three"));
	builder.truncate(2);
	builder.set(2, text("two"));
	builder.set(2, text("two again"));
	const vector = builder.finish(5);
	if (vector.kind !== "bytes") throw new Error(vector.kind);
	expect(Buffer.from(vector.data).toString()).toBe("zerotwo again");
	expect([...vector.offsets]).toEqual([0, 4, 4, 13, 13, 13]);
	expect([...(vector.validity ?? [])]).toEqual([1, 0, 1, 0, 0]);
});

test("a column of longs becomes one of doubles only while no value changes by it", () => {
	const builder = new I64Builder("long");
	builder.set(0, 2 ** 53 - 1);
	builder.set(2, -1);
	expect(builder.asDoubles()?.finish(3)).toMatchObject({
		kind: "f64",
		values: Float64Array.of(2 ** 53 - 1, 0, -1),
	});
	builder.setBigInt(3, 2n ** 53n + 1n);
	expect(builder.asDoubles()).toBeUndefined();
	builder.truncate(3);
	expect(builder.asDoubles()).toBeDefined();
});
