import { valueAt } from "../../../src/columnar/value.ts";
import { alterTable } from "../../../src/delta/alter.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../../src/delta/snapshot.ts";
import {
	type MemoryStoreOptions,
	openMemoryStore,
	type StoredObject,
} from "../../../src/storage/memory.ts";
import type { ObjectStore } from "../../../src/storage/store.ts";
import type { WriterConfig } from "../../../src/writer/config.ts";
import { DEAD_LETTERS } from "../../../src/writer/dead-letter.ts";
import { DeadLetterTable } from "../../../src/writer/dead-letter-table.ts";
import { type ReplayOptions, replay } from "../../../src/writer/replay.ts";
import { routesOf } from "../../../src/writer/route.ts";
import { TableWriter } from "../../../src/writer/table-writer.ts";

export const TOPIC = "shop.public.items";

/** Tables of one topic and their dead letters, in memory, with what a test does to them. */
export class LetterWorld {
	readonly config: WriterConfig;
	readonly buckets = new Map<string, Map<string, StoredObject>>();
	now = 1_760_000_000_000;
	#ids = 0;
	#topics = 1;
	readonly #storeAt: ((path: string) => ObjectStore) | undefined;
	readonly #offsets = [0, 0];

	/** `storeAt`: in place of memory. */
	constructor(
		config: Partial<WriterConfig> = {},
		storeAt?: (path: string) => ObjectStore,
	) {
		this.#storeAt = storeAt;
		this.config = {
			pipeline: "default.shop",
			source: "postgresql",
			kafka: {
				brokers: [],
				groupId: "group",
				topics: /./,
				topicPrefix: "shop",
				fromBeginning: true,
				onPositionLost: "stop",
				sessionTimeoutMs: 10_000,
				ssl: false,
				sasl: undefined,
			},
			location: "",
			credentials: {},
			tablePath: "{table}",
			writeMode: "append",
			history: false,
			deletes: "hard",
			partitionBy: [],
			batch: {
				maxRows: 1e6,
				maxBytes: 1e9,
				maxDelayMs: 1000,
				maxTotalBytes: 1e9,
			},
			port: undefined,
			...config,
		};
	}

	/** The engine at a path; `options` are of its store. */
	engine(path: string, options: MemoryStoreOptions = {}): Engine {
		const objects = this.buckets.get(path) ?? new Map<string, StoredObject>();
		this.buckets.set(path, objects);
		return {
			store: this.#storeAt?.(path) ?? openMemoryStore({ objects, ...options }),
			now: () => this.now,
			uuid: () =>
				`00000000-0000-4000-8000-${(++this.#ids).toString(16).padStart(12, "0")}`,
			sleep: async () => {},
			random: () => 0.5,
		};
	}

	/** The topic is gone, and made anew. */
	recreateTopic(): void {
		this.#topics++;
		this.log.length = 0;
		this.#offsets.fill(0);
	}

	/** A writer of the topic's table, at its position. */
	async writer(options: MemoryStoreOptions = {}): Promise<TableWriter> {
		const [route] = routesOf(TOPIC, this.config);
		if (route === undefined) throw new Error("no route");
		const writer = new TableWriter({
			route,
			topic: TOPIC,
			topicId: `id${this.#topics}`,
			engine: this.engine(route.path, options),
			config: this.config,
			clusterId: "cluster",
			deadLetters: new DeadLetterTable(this.engine(DEAD_LETTERS, options)),
		});
		for (const partition of [0, 1]) await writer.load(partition, 2);
		return writer;
	}

	/** Records of a partition in their order, each a change or bytes. */
	readonly log: {
		readonly partition: number;
		readonly offset: number;
		readonly key: Uint8Array | null;
		readonly value: Uint8Array;
	}[] = [];

	/** Appends a record to the topic; its offset. */
	produce(
		change: Change | string | Uint8Array,
		{ partition = 0, key }: { partition?: number; key?: object | null } = {},
	): number {
		const offset = this.#offsets[partition] as number;
		this.#offsets[partition] = offset + 1;
		const raw = typeof change === "string" || change instanceof Uint8Array;
		const id = raw ? undefined : { id: change.id };
		const shown = key === undefined ? id : key;
		this.log.push({
			partition,
			offset,
			key:
				shown === null || shown === undefined
					? null
					: Buffer.from(JSON.stringify(shown)),
			value: Buffer.from(raw ? change : envelope(change)),
		});
		return offset;
	}

	/** Hands a writer what it has not got yet, up to an offset of each partition. */
	feed(writer: TableWriter, until = Number.POSITIVE_INFINITY): void {
		for (const record of this.log)
			if (
				record.offset <= until &&
				BigInt(record.offset) > writer.committedOffset(record.partition)
			)
				writer.decode({ ...record, topic: TOPIC });
	}

	async constraint(name: string, expression: string | undefined) {
		const engine = this.engine("items");
		await alterTable(
			engine,
			await this.snapshot("items"),
			expression === undefined
				? { kind: "drop-constraint", name }
				: { kind: "add-constraint", name, expression },
		);
	}

	async snapshot(path: string): Promise<Snapshot> {
		const snapshot = await loadSnapshot(this.engine(path));
		if (snapshot === undefined) throw new Error(`no table ${path}`);
		return snapshot;
	}

	/** Rows as texts of these columns. */
	async rows(path: string, ...columns: string[]): Promise<string[]> {
		const found: string[] = [];
		const snapshot = await loadSnapshot(this.engine(path));
		if (snapshot === undefined) return found;
		for await (const batch of readTable(this.engine(path), snapshot, {
			columns,
		}))
			for (let row = 0; row < batch.length; row++)
				found.push(
					columns
						.map((name) => {
							const at = batch.schema.fields.findIndex(
								(field) => field.name === name,
							);
							const vector = batch.columns[at];
							const type = batch.schema.fields[at]?.type;
							return vector === undefined || type === undefined
								? "?"
								: String(valueAt(vector, type, row));
						})
						.join(" "),
				);
		return found.sort();
	}

	/** `partition offset status code` of each letter. */
	async letters(): Promise<string[]> {
		return await this.rows(
			DEAD_LETTERS,
			...["partition", "offset", "status", "error_code"],
		);
	}

	async replay(
		options: Partial<ReplayOptions> = {},
		store: MemoryStoreOptions = {},
	): Promise<string[]> {
		const found: string[] = [];
		for await (const { letter, outcome } of replay({
			config: this.config,
			engineAt: (path) => this.engine(path, store),
			...options,
		}))
			found.push(`${letter.partition} ${letter.offset} ${outcome}`);
		return found;
	}
}

export interface Change {
	readonly op?: string;
	readonly id: number;
	readonly n?: number;
}

function envelope({ op = "u", id, n = 0 }: Change): string {
	return JSON.stringify({
		op,
		before: op === "d" ? { id } : null,
		after: op === "d" ? null : { id, n },
		source: { ts_ms: 1 },
		ts_ms: 2,
	});
}
