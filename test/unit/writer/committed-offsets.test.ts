import { expect, test } from "vitest";
import type { Snapshot } from "../../../src/delta/snapshot.ts";
import { CommittedOffsets } from "../../../src/writer/committed-offsets.ts";
import { memoryEngine, write } from "../delta/table.ts";

const OF = {
	pipeline: "shop",
	clusterId: "c",
	topic: "t.shop.orders",
	topicId: "id-1",
};

async function tableAt(
	of: typeof OF,
	offsets: ReadonlyMap<number, number>,
): Promise<Snapshot> {
	const engine = memoryEngine();
	return write(
		engine,
		undefined,
		new CommittedOffsets(of).actions(offsets, engine.now),
	);
}

test("a batch is fenced where the table is at another offset than when it was read, and nowhere else", async () => {
	const committed = new CommittedOffsets(OF);
	const table = await tableAt(OF, new Map([[0, 7]]));
	const from = (offset: number | undefined) => new Map([[0, offset]]);
	expect(committed.fence(table, from(7))).toBeUndefined();
	expect(committed.fence(table, from(6))).toBe(
		"partition 0 of t.shop.orders is at offset 7 in the table, not at 6: another writer owns it",
	);
	// What another writer commits first is no less its own for it.
	expect(committed.fence(table, from(undefined))).toContain("not at none");
	expect(committed.fence(undefined, from(7))).toContain("is at offset none");
	expect(committed.fence(undefined, from(undefined))).toBeUndefined();
	expect(committed.fence(table, new Map([[1, undefined]]))).toBeUndefined();
});

test("offsets of a topic that was made anew under its name are not taken for its own, and stop it", async () => {
	const table = await tableAt(OF, new Map([[0, 7]]));
	const anew = new CommittedOffsets({ ...OF, topicId: "id-2" });
	expect(anew.foundIn(table, 0)).toBeUndefined();
	expect(() => anew.checkTopic(table, 0, "stop")).toThrow(
		expect.objectContaining({ code: "KAFKA_POSITION_LOST" }),
	);
	anew.checkTopic(table, 0, "continue");
	new CommittedOffsets(OF).checkTopic(table, 1, "stop");
});

test("that a partition has no offset is known, until everything is forgotten", () => {
	const committed = new CommittedOffsets(OF);
	expect(committed.has(0)).toBe(false);
	committed.set(0, undefined);
	expect(committed.has(0)).toBe(true);
	const { epoch } = committed;
	committed.clear();
	expect(committed.has(0)).toBe(false);
	expect(committed.epoch).not.toBe(epoch);
});
