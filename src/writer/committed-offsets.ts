import type { Action } from "../delta/actions.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import {
	appId,
	checkSameTopic,
	type OnPositionLost,
	type PositionOf,
	topicKey,
} from "./position.ts";
import type { TopicId } from "./source.ts";

/**
 * The last committed offset of each partition of a topic, as its table had it or as this process
 * committed it. That a partition has none is known too: what another writer commits later does not
 * move it, but fences.
 */
export class CommittedOffsets {
	readonly #of: Omit<PositionOf, "partition">;
	readonly #offsets = new Map<number, number | undefined>();
	#epoch = 0;

	constructor(of: Omit<PositionOf, "partition">) {
		this.#of = of;
	}

	has(partition: number): boolean {
		return this.#offsets.has(partition);
	}

	get(partition: number): number | undefined {
		return this.#offsets.get(partition);
	}

	set(partition: number, offset: number | undefined): void {
		this.#offsets.set(partition, offset);
	}

	/** Nothing is known any more: what was asked or begun before must not become known after. */
	clear(): void {
		this.#epoch++;
		this.#offsets.clear();
	}

	/** Counts how often everything was forgotten. */
	get epoch(): number {
		return this.#epoch;
	}

	/** The last offset of a partition that the table holds. */
	foundIn(
		snapshot: Snapshot | undefined,
		partition: number,
	): number | undefined {
		return snapshot?.txns.get(this.appId(partition))?.version;
	}

	/**
	 * Why this process must not commit a batch that was read at `from`: the table holds offsets that it
	 * did not write.
	 */
	fence(
		snapshot: Snapshot | undefined,
		from: ReadonlyMap<number, number | undefined>,
	): string | undefined {
		for (const [partition, known] of from) {
			const found = this.foundIn(snapshot, partition);
			if (found !== known)
				return `partition ${partition} of ${this.#of.topic} is at offset ${found ?? "none"} in the table, not at ${known ?? "none"}: another writer owns it`;
		}
		return undefined;
	}

	/** The `txn` of each partition that a commit moves to these offsets. */
	actions(
		offsets: ReadonlyMap<number, number>,
		now: () => number,
	): readonly Action[] {
		return [...offsets].map(([partition, offset]) => ({
			txn: {
				appId: this.appId(partition),
				version: offset,
				lastUpdated: now(),
			},
		}));
	}

	/** @throws TributaryError KAFKA_POSITION_LOST when the table has positions of another topic of the name */
	checkTopic(
		snapshot: Snapshot,
		partition: number,
		onLost: OnPositionLost,
	): void {
		const key = topicKey(this.#of);
		const known = new Set<TopicId>();
		for (const id of snapshot.txns.keys())
			if (id.startsWith(key))
				known.add(id.slice(key.length, id.lastIndexOf("/")));
		checkSameTopic({ ...this.#of, partition }, [...known], onLost);
	}

	appId(partition: number): string {
		return appId({ ...this.#of, partition });
	}
}
