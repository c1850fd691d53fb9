import { expect, test } from "vitest";
import type { Action } from "../../../src/delta/actions.ts";
import type { NewCommit } from "../../../src/delta/snapshot.ts";
import { SHARD_TAG } from "../../../src/index/shard-tag.ts";
import { hasMoved } from "../../../src/writer/mirror-moves.ts";
import { MIRROR_COMMIT } from "../../../src/writer/upsert-index.ts";
import { add, memoryEngine, remove, write } from "../delta/table.ts";

const OWN = "tributary/shop/c/orders/id-1/0";
const OTHER = "tributary/shop/c/orders/id-1/1";
const REPLAY = "tributary/shop/replay/";

const shard = (path: string, of: string): Action =>
	add(path, { tags: { [SHARD_TAG]: of } });
const txn = (appId: string, version: number): Action => ({
	txn: { appId, version, lastUpdated: 0 },
});

/** Whether a replay of a row of `OWN` that replaces one in `a` has to look again after these actions. */
async function moved(
	actions: readonly Action[],
	before: readonly Action[] = [],
	winners: readonly NewCommit[] = [],
): Promise<boolean> {
	const engine = memoryEngine();
	const base = await write(engine, undefined, [
		shard("a", "0/2"),
		txn(OWN, 5),
		txn(OTHER, 5),
		...before,
	]);
	return hasMoved(base, await write(engine, base, actions), {
		winners,
		letters: [{ position: OWN }],
		upsert: { replaced: ["a"] },
		isReplay: (appId) => appId.startsWith(REPLAY),
	});
}

test("a newer change of a letter's row is noticed by its partition's position", async () => {
	expect(await moved([txn(OWN, 6)])).toBe(true);
});

test("other partitions and other replays send no replay back", async () => {
	expect(await moved([txn(OTHER, 6), shard("b", "1/2")])).toBe(false);
	expect(await moved([txn(`${REPLAY}x`, 1)])).toBe(false);
});

test("where keys may have moved, every partition counts", async () => {
	expect(await moved([txn(OTHER, 6)], [shard("b", "0/3")])).toBe(true);
	const anew = "tributary/shop/c/orders/id-2/1";
	expect(await moved([txn(anew, 1)])).toBe(true);
	// Replays have no keys of their own that could have moved.
	expect(await moved([txn(`${REPLAY}x`, 1)], [shard("b", "0/3")])).toBe(false);
});

test("a place that is replaced must be there still, and rows of others than mirrors count", async () => {
	expect(await moved([remove("a")])).toBe(true);
	const winner = (info: object): NewCommit => ({
		version: 1,
		actions: [add("b"), { commitInfo: { operation: "WRITE", ...info } }],
	});
	expect(await moved([], [], [winner({})])).toBe(true);
	expect(await moved([], [], [winner({ [MIRROR_COMMIT]: true })])).toBe(false);
});
