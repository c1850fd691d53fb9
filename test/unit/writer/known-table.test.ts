import { expect, test } from "vitest";
import type { Snapshot } from "../../../src/delta/snapshot.ts";
import { KnownTable } from "../../../src/writer/known-table.ts";
import { add, memoryEngine, write } from "../delta/table.ts";

async function world() {
	const engine = memoryEngine();
	const told: (Snapshot | undefined)[] = [];
	const known = new KnownTable({
		engine,
		cacheTtlMs: 1000,
		onMetadata: (snapshot) => told.push(snapshot),
	});
	const first = await write(engine, undefined, []);
	const second = await write(engine, first, [add("a")]);
	return { engine, known, told, first, second };
}

test("a version that is read late does not take a newer one's place", async () => {
	const { known, first, second } = await world();
	known.know(second);
	known.know(first);
	expect(known.snapshot?.version).toBe(1);
	known.know(undefined);
	expect(known.snapshot?.version).toBe(1);
});

test("other metadata is told once, a commit that leaves it as it is is not", async () => {
	const { known, told, first, second } = await world();
	known.know(undefined);
	known.know(first);
	known.know(second);
	expect(told).toEqual([first]);
});

test("a table is looked at again when its time is over, not before", async () => {
	const { engine, known, first } = await world();
	known.knowNow(first);
	engine.clock += 999;
	await known.refresh();
	expect(known.snapshot?.version).toBe(0);
	engine.clock += 1;
	await known.refresh();
	expect(known.snapshot?.version).toBe(1);
});

test("a commit that becomes known during a look at the table stays known", async () => {
	const { engine, known, first, second } = await world();
	known.know(first);
	const third = await write(engine, second, [add("b")]);
	const look = known.refresh();
	known.know(third);
	await look;
	expect(known.snapshot).toBe(third);
});
