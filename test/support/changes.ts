import type { TextRow } from "../../demo/source.ts";

/** A record as Debezium's MongoDB connector sends it. */
export interface ChangeRecord {
	readonly key: string;
	readonly value: string | null;
	readonly partition: number;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
	let state = seed >>> 0;
	return () => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = Math.imul(state ^ (state >>> 15), state | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	};
}

/**
 * A collection that changes at random, and its change records: each key always in one partition,
 * a tombstone after each delete. It knows what mirror and history have to hold.
 */
export class ChangingCollection {
	/** The documents as they are, each value as text. */
	readonly documents = new Map<string, TextRow>();
	/** `partition/offset` of every record that is a change. */
	readonly changes: string[] = [];
	readonly #random: () => number;
	readonly #keys: number;
	readonly #next: number[];

	constructor(options: {
		readonly random: () => number;
		readonly keys: number;
		readonly partitions: number;
	}) {
		this.#random = options.random;
		this.#keys = options.keys;
		this.#next = new Array<number>(options.partitions).fill(0);
	}

	/** Of all partitions, tombstones included. */
	get records(): number {
		return this.#next.reduce((sum, next) => sum + next, 0);
	}

	/** One change; a delete is two records. */
	change(): ChangeRecord[] {
		const number = Math.floor(this.#random() * this.#keys);
		const id = `order-${number}`;
		const partition = number % this.#next.length;
		const key = JSON.stringify({ id: JSON.stringify(id) });
		const exists = this.documents.has(id);
		const sequence = this.changes.length;
		this.#count(partition, true);
		if (exists && this.#random() < 0.25) {
			this.documents.delete(id);
			this.#count(partition, false);
			return [
				{ key, value: envelope("d", null, sequence), partition },
				{ key, value: null, partition },
			];
		}
		const where = { city: `city-${sequence % 7}`, zip: sequence };
		const document: Record<string, unknown> = {
			_id: id,
			sequence,
			total: Math.floor(this.#random() * 1e6) / 64,
			where,
			...(this.#random() < 0.5 ? { note: `ünïcode "${sequence}"` } : {}),
		};
		const texts: Record<string, string> = {};
		for (const [name, value] of Object.entries(document))
			texts[name] =
				typeof value === "object" ? JSON.stringify(value) : `${value}`;
		this.documents.set(id, texts);
		return [
			{
				key,
				value: envelope(exists ? "u" : "c", JSON.stringify(document), sequence),
				partition,
			},
		];
	}

	#count(partition: number, change: boolean): void {
		const offset = this.#next[partition] ?? 0;
		this.#next[partition] = offset + 1;
		if (change) this.changes.push(`${partition}/${offset}`);
	}
}

function envelope(op: string, after: string | null, sequence: number): string {
	const at = 1_760_000_000_000 + sequence;
	return JSON.stringify({
		before: null,
		after,
		updateDescription: null,
		source: {
			version: "3.6.1.Final",
			connector: "mongodb",
			name: "kill",
			ts_ms: at,
			snapshot: "false",
			db: "shop",
			collection: "orders",
			ord: 1,
		},
		op,
		ts_ms: at + 5,
		transaction: null,
	});
}
