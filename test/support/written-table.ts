import type { Decoded } from "../../src/change/change.ts";
import { toJson, valueAt } from "../../src/columnar/value.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { readTable } from "../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../src/delta/snapshot.ts";
import type { SourceType } from "../../src/resource/cdc-pipeline.ts";
import { openMemoryStore } from "../../src/storage/memory.ts";
import type { ObjectStore } from "../../src/storage/store.ts";
import type { FlushOutcome } from "../../src/writer/batch-commit.ts";
import {
	DEFAULT_SESSION_TIMEOUT_MS,
	type WriterConfig,
} from "../../src/writer/config.ts";
import { DeadLetterTable } from "../../src/writer/dead-letter-table.ts";
import { TableWriter } from "../../src/writer/table-writer.ts";

const TOPIC = "t.shop.things";

/** A record's key and value as text, or nothing. */
export interface RecordText {
	readonly key?: string | null;
	readonly value: string | null;
}

/** A table that is fed with records, without Kafka. */
export class WrittenTable {
	readonly engine: Engine;
	readonly #config: WriterConfig;
	#writer: TableWriter;
	#offset = 0;
	#loaded = false;

	constructor(options: {
		readonly source: SourceType;
		readonly mode: "append" | "upsert";
		readonly config?: Partial<WriterConfig>;
		readonly store?: ObjectStore;
	}) {
		this.engine = engineOn(options.store ?? openMemoryStore());
		this.#config = writerConfigFor(
			options.source,
			options.mode,
			options.config,
		);
		this.#writer = this.#open();
	}

	/** Hands records to the decoder. */
	async feed(
		...records: readonly RecordText[]
	): Promise<(Decoded | undefined)[]> {
		if (!this.#loaded) await this.#writer.load(0, 1);
		this.#loaded = true;
		return records.map(({ key = null, value }) =>
			this.#writer.decode({
				key: key === null ? null : Buffer.from(key),
				value: value === null ? null : Buffer.from(value),
				topic: TOPIC,
				partition: 0,
				offset: this.#offset++,
			}),
		);
	}

	async flush(): Promise<FlushOutcome> {
		return await this.#writer.flush();
	}

	/** Feeds and commits; throws unless that works at once. */
	async write(
		...records: readonly RecordText[]
	): Promise<Extract<FlushOutcome, { kind: "committed" }>> {
		await this.feed(...records);
		const outcome = await this.flush();
		if (outcome.kind !== "committed")
			throw new Error(`the flush was ${JSON.stringify(outcome)}`);
		return outcome;
	}

	/** Drops what is not committed; the records from `offset` on come again. */
	startOver(offset: number): void {
		this.#writer.reset();
		this.#loaded = false;
		this.#offset = offset;
	}

	/** As after a crash: another writer, which knows only what is in the table. */
	restart(): void {
		this.#writer = this.#open();
		this.#loaded = false;
	}

	async snapshot(): Promise<Snapshot> {
		const snapshot = await loadSnapshot(this.engine);
		if (snapshot === undefined) throw new Error("there is no table");
		return snapshot;
	}

	/** By name, the JSON of each column's type. */
	async types(): Promise<Record<string, string>> {
		const { schema } = await this.snapshot();
		return Object.fromEntries(
			schema.fields.map(({ name, type }) => [
				name,
				typeof type === "string" ? type : JSON.stringify(type),
			]),
		);
	}

	/** Rows as JSON texts by column, nulls left out, without the columns that `append` adds. */
	async rows(): Promise<Record<string, string>[]> {
		const rows: Record<string, string>[] = [];
		for await (const batch of readTable(this.engine, await this.snapshot()))
			for (let row = 0; row < batch.length; row++)
				rows.push(
					Object.fromEntries(
						batch.schema.fields.flatMap(({ name, type }, i) => {
							if (/^_(cdc|kafka|ingestion)_/.test(name)) return [];
							const vector = batch.columns[i];
							const value =
								vector === undefined ? null : valueAt(vector, type, row);
							return value === null ? [] : [[name, toJson(value, type)]];
						}),
					),
				);
		return rows;
	}

	#open(): TableWriter {
		return new TableWriter({
			route: {
				path: "things",
				mode: this.#config.writeMode,
				source: "shop.things",
			},
			topic: TOPIC,
			topicId: "id",
			engine: this.engine,
			clusterId: "cluster",
			deadLetters: new DeadLetterTable(engineOn(openMemoryStore())),
			config: this.#config,
		});
	}
}

/** A record of the MongoDB connector; `document` is Extended JSON. */
export function documentChange(
	document: string,
	{ op = "c", id = "1" }: { readonly op?: string; readonly id?: string } = {},
): RecordText {
	return {
		key: JSON.stringify({ id }),
		value: `{"before":null,"after":${op === "d" ? "null" : JSON.stringify(document)},"source":{"ts_ms":1000},"op":"${op}","ts_ms":2000}`,
	};
}

/** A record of a relational connector with a Connect schema; each column has its schema and its JSON. */
export function typedChange(
	columns: Readonly<Record<string, readonly [schema: object, json: string]>>,
	key = "id",
): RecordText {
	const fields = Object.entries(columns).map(([field, [schema]]) => ({
		...schema,
		optional: true,
		field,
	}));
	const row = Object.entries(columns)
		.map(([name, [, json]]) => `${JSON.stringify(name)}:${json}`)
		.join(",");
	const schema = JSON.stringify({
		type: "struct",
		fields: [{ type: "struct", optional: true, field: "after", fields }],
	});
	return {
		key: `{${JSON.stringify(key)}:${columns[key]?.[1] ?? "1"}}`,
		value: `{"schema":${schema},"payload":{"before":null,"after":{${row}},"source":{"ts_ms":1000},"op":"c","ts_ms":2000}}`,
	};
}

let engines = 0;

function engineOn(store: ObjectStore): Engine {
	const id = String(++engines).padStart(8, "0");
	let uuids = 0;
	return {
		store,
		now: () => 1_760_000_000_000,
		uuid: () => `${id}-0000-4000-8000-${String(++uuids).padStart(12, "0")}`,
		sleep: async () => {},
		random: () => 0.5,
	};
}

/** Of a writer of one table, without Kafka. */
export function writerConfigFor(
	source: SourceType,
	writeMode: "append" | "upsert",
	more: Partial<WriterConfig> = {},
): WriterConfig {
	return {
		pipeline: "default.shop",
		source,
		kafka: {
			brokers: [],
			groupId: "group",
			topics: /./,
			topicPrefix: "t",
			fromBeginning: true,
			onPositionLost: "stop",
			sessionTimeoutMs: DEFAULT_SESSION_TIMEOUT_MS,
			ssl: false,
			sasl: undefined,
		},
		location: "",
		credentials: {},
		tablePath: "{table}",
		writeMode,
		history: false,
		deletes: "hard",
		partitionBy: [],
		batch: {
			maxRows: 1e6,
			maxBytes: 2 ** 28,
			maxDelayMs: 100,
			maxTotalBytes: 2 ** 28,
		},
		port: undefined,
		...more,
	};
}
