import { vectorOf } from "../columnar/literal.ts";
import { array, field, struct } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { Batch, Row, Value } from "../columnar/vector.ts";
import type { RecordHeader } from "./source.ts";

/** The table of dead letters, below the location of a pipeline's tables. */
export const DEAD_LETTERS = "_dead_letters";

/**
 * `open`: kept out of its table. `replaying`: a replay has taken it, or died while it had. `replayed`:
 * in its table. `superseded`: of a mirror, which has a newer change of the row, so that this one is of
 * no more use.
 */
export type LetterStatus = "open" | "replaying" | "replayed" | "superseded";

/** A record that could not become a row of a table, as it came. */
export interface DeadLetter {
	/** The table's folder below the location. */
	readonly table: string;
	readonly topic: string;
	readonly partition: number;
	readonly offset: bigint;
	/** What the partition's `txn` is called in the table. */
	readonly position: string;
	/** Kafka's, milliseconds since the epoch; `null` where it gave none. */
	readonly timestampMs: number | null;
	readonly key: Uint8Array | null;
	readonly value: Uint8Array | null;
	readonly headers: readonly RecordHeader[];
	readonly code: string;
	readonly message: string;
	/** Milliseconds since the epoch. */
	readonly firstTryMs: number;
	readonly lastTryMs: number;
	readonly tries: number;
	readonly status: LetterStatus;
	/** The replay that has it, or has put it into its table. */
	readonly replay: string | null;
	/** Of a mirror: the row's key, as `rowKeyTexts` writes it; `null` where that is unknown. */
	readonly rowKey: string | null;
}

export const LETTER_SCHEMA = struct(
	field("target_table", "string"),
	field("topic", "string"),
	field("partition", "integer"),
	field("offset", "long"),
	field("status", "string"),
	field("error_code", "string"),
	field("error_message", "string"),
	field("first_try", "timestamp"),
	field("last_try", "timestamp"),
	field("tries", "integer"),
	field("kafka_timestamp", "timestamp"),
	field("key", "binary"),
	field("value", "binary"),
	field(
		"headers",
		array(struct(field("name", "string"), field("value", "binary"))),
	),
	field("replay_id", "string"),
	field("row_key", "string"),
	field("position", "string"),
);

/** The columns of the raw record, which may be large. */
export const RAW_COLUMNS: readonly string[] = ["key", "value", "headers"];

export function batchOfLetters(letters: readonly DeadLetter[]): Batch {
	const rows = letters.map(rowOf);
	return {
		schema: LETTER_SCHEMA,
		length: rows.length,
		columns: LETTER_SCHEMA.fields.map(({ name, type }) =>
			vectorOf(
				type,
				rows.map((row) => row[name] ?? null),
			),
		),
	};
}

/** The letters of a batch that has the table's columns, maybe without those of the raw record. */
export function* lettersOf(
	batch: Batch,
): Generator<DeadLetter, void, undefined> {
	const columns = new Map(
		batch.schema.fields.map(({ name, type }, i) => {
			const vector = batch.columns[i];
			return [
				name,
				(row: number): Value =>
					vector === undefined ? null : valueAt(vector, type, row),
			] as const;
		}),
	);
	for (let row = 0; row < batch.length; row++) {
		const of = (name: string): Value => columns.get(name)?.(row) ?? null;
		const text = (name: string): string => String(of(name) ?? "");
		const bytes = (name: string): Uint8Array | null =>
			of(name) as Uint8Array | null;
		yield {
			table: text("target_table"),
			topic: text("topic"),
			partition: Number(of("partition")),
			offset: BigInt((of("offset") as bigint | null) ?? -1n),
			position: text("position"),
			timestampMs:
				of("kafka_timestamp") === null ? null : millis(of("kafka_timestamp")),
			key: bytes("key"),
			value: bytes("value"),
			headers: (of("headers") ?? []) as unknown as readonly RecordHeader[],
			code: text("error_code"),
			message: text("error_message"),
			firstTryMs: millis(of("first_try")),
			lastTryMs: millis(of("last_try")),
			tries: Number(of("tries")),
			status: text("status") as LetterStatus,
			replay: of("replay_id") as string | null,
			rowKey: of("row_key") as string | null,
		};
	}
}

function rowOf(letter: DeadLetter): Row {
	return {
		target_table: letter.table,
		topic: letter.topic,
		partition: letter.partition,
		offset: letter.offset,
		status: letter.status,
		error_code: letter.code,
		error_message: letter.message,
		first_try: micros(letter.firstTryMs),
		last_try: micros(letter.lastTryMs),
		tries: letter.tries,
		kafka_timestamp:
			letter.timestampMs === null ? null : micros(letter.timestampMs),
		key: letter.key,
		value: letter.value,
		headers: letter.headers.map(({ name, value }): Row => ({ name, value })),
		replay_id: letter.replay,
		row_key: letter.rowKey,
		position: letter.position,
	};
}

function micros(ms: number): bigint {
	return BigInt(Math.round(ms)) * 1000n;
}

function millis(value: Value): number {
	return typeof value === "bigint" ? Number(value / 1000n) : 0;
}
