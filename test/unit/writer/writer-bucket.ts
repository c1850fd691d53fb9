import { valueAt } from "../../../src/columnar/value.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import {
	type Fault,
	type Operation,
	openMemoryStore,
	type StoredObject,
} from "../../../src/storage/memory.ts";
import { DeadLetterTable } from "../../../src/writer/dead-letter-table.ts";
import { TableWriter } from "../../../src/writer/table-writer.ts";
import { writerConfigFor } from "../../support/written-table.ts";

export const MODES = ["append", "upsert"] as const;
const TOPIC = "t.shop.things";

export interface Identity {
	readonly pipeline?: string;
	readonly clusterId?: string;
	readonly topicId?: string;
}

/** A table and its dead letters in one bucket, and the writers that come and go. */
export class Bucket {
	readonly #mode: (typeof MODES)[number];
	readonly #table = new Map<string, StoredObject>();
	readonly #letters = new Map<string, StoredObject>();
	/** Of the table's data files. */
	puts = 0;
	#ids = 0;

	constructor(mode: (typeof MODES)[number]) {
		this.#mode = mode;
	}

	writer(
		fault: (operation: Operation, path: string) => Fault | undefined = () =>
			undefined,
		{ pipeline, clusterId = "cluster", topicId = "id" }: Identity = {},
		turn?: (operation: Operation, path: string) => Promise<void>,
		turnsOf: "table" | "letters" = "table",
	): TableWriter {
		return new TableWriter({
			route: { path: "things", mode: this.#mode, source: "shop.things" },
			topic: TOPIC,
			topicId,
			clusterId,
			engine: this.#engine(
				this.#table,
				(operation, path) => {
					if (operation === "put" && path.startsWith("part-")) this.puts++;
					return fault(operation, path);
				},
				turnsOf === "table" ? turn : undefined,
			),
			deadLetters: new DeadLetterTable(
				this.#engine(
					this.#letters,
					fault,
					turnsOf === "letters" ? turn : undefined,
				),
			),
			config: writerConfigFor(
				"mongodb",
				this.#mode,
				pipeline === undefined ? {} : { pipeline },
			),
		});
	}

	/** A committed position: the last offset of the partition that is in the table. */
	async position(partition = 0): Promise<number> {
		const snapshot = await loadSnapshot(this.#engine(this.#table));
		const at = [...(snapshot?.txns.values() ?? [])].find(({ appId }) =>
			appId.endsWith(`/${partition}`),
		);
		return at?.version ?? -1;
	}

	async rows(): Promise<string[]> {
		return await this.#read(this.#table, ["_id", "n"]);
	}

	/** Offsets of the dead letters. */
	async letters(): Promise<string[]> {
		return await this.#read(this.#letters, ["offset"]);
	}

	async #read(
		objects: Map<string, StoredObject>,
		columns: readonly string[],
	): Promise<string[]> {
		const engine = this.#engine(objects);
		const snapshot = await loadSnapshot(engine);
		if (snapshot === undefined) return [];
		const rows: string[] = [];
		for await (const { schema, columns: vectors, length } of readTable(
			engine,
			snapshot,
			{ columns },
		))
			for (let row = 0; row < length; row++)
				rows.push(
					schema.fields
						.map(({ type }, i) => {
							const vector = vectors[i];
							return vector === undefined ? "" : valueAt(vector, type, row);
						})
						.join("/"),
				);
		return rows.sort();
	}

	#engine(
		objects: Map<string, StoredObject>,
		fault?: (operation: Operation, path: string) => Fault | undefined,
		turn?: (operation: Operation, path: string) => Promise<void>,
	): Engine {
		return {
			store: openMemoryStore({
				objects,
				...(fault && { fault }),
				...(turn && { turn }),
			}),
			now: () => 1_760_000_000_000,
			uuid: () =>
				`00000000-0000-4000-8000-${(++this.#ids).toString(16).padStart(12, "0")}`,
			sleep: async () => {},
			random: () => 0.5,
		};
	}
}

export const BAD = "{no json";

/** Change `offset` of a source that has a new row with each. */
export function feed(
	writer: TableWriter,
	offset: number,
	{ partition = 0, value }: { partition?: number; value?: Buffer } = {},
): ReturnType<TableWriter["decode"]> {
	const after = JSON.stringify({ _id: `${partition}-${offset}`, n: offset });
	return writer.decode({
		topic: TOPIC,
		partition,
		offset,
		key: Buffer.from(JSON.stringify({ id: `"${partition}-${offset}"` })),
		value:
			value ??
			Buffer.from(
				JSON.stringify({ op: "c", after, source: { ts_ms: 1 }, ts_ms: 2 }),
			),
	});
}

export function rowsUpTo(offset: number, partition = 0): string[] {
	return Array.from(
		{ length: offset + 1 },
		(_, n) => `${partition}-${n}/${n}`,
	).sort();
}
