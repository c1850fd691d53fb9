import { isUtf8 } from "node:buffer";
import type { ChangeMessage } from "./change.ts";
import { JsonReader } from "./json.ts";
import { JsonSyntaxError } from "./json-input.ts";

/** What the transformation adds to a row by `add.fields` and for deletes, and we use ourselves. */
const OURS: ReadonlySet<string> = new Set([
	"__op",
	"__deleted",
	"__ts_ms",
	"__source_ts_ms",
	"__source_ts_us",
	"__source_ts_ns",
]);

const ENVELOPE: ReadonlySet<string> = new Set([
	"before",
	"after",
	"source",
	"op",
	"ts_ms",
	"ts_us",
	"ts_ns",
	"transaction",
	"updateDescription",
]);

/** A member of an object: its name, and where name and value stand. */
interface Member {
	readonly name: string;
	readonly from: number;
	readonly valueFrom: number;
	readonly to: number;
}

/**
 * Makes envelopes of flattened records, those of Debezium's `ExtractNewRecordState` and
 * `ExtractNewDocumentState`: the row alone, or with a few fields of the envelope whose names start with
 * `__`. A deleted row is a tombstone, or a row with `__deleted`.
 */
export class FlattenedRecords {
	/** Whether the stream has such records: then tombstones are deletes. */
	expected: boolean;
	readonly #json = new JsonReader();
	readonly #mongodb: boolean;
	/** Schemas of rows, made those of envelopes; by their text. */
	readonly #schemas = new Map<string, string>();
	/** By partition, the key that was deleted last: its tombstone says nothing new. */
	readonly #deleted = new Map<number, string>();

	constructor(options: {
		readonly mongodb: boolean;
		readonly expected: boolean;
	}) {
		this.#mongodb = options.mongodb;
		this.expected = options.expected;
	}

	/** The delete that a tombstone stands for; `undefined` when it stands for none. */
	tombstone(message: ChangeMessage): ChangeMessage | undefined {
		const { key, partition } = message;
		if (!this.expected || key === null || key.length === 0) return undefined;
		if (this.#deleted.get(partition) === textOf(key)) return undefined;
		return this.#made(message, "null", "null", { op: "d", times: [] });
	}

	/** The envelope of a flattened record; `undefined` for any other. */
	envelope(message: ChangeMessage): ChangeMessage | undefined {
		const { value } = message;
		if (value === null || !isUtf8(value)) return undefined;
		const json = this.#json;
		try {
			json.load(value);
			let row = members(json, 0);
			let schema: string | undefined;
			const payload = row.find(({ name }) => name === "payload");
			const around = row.every(
				({ name }) => name === "schema" || name === "payload",
			);
			if (payload !== undefined && around) {
				const own = row.find(({ name }) => name === "schema");
				schema = own && json.slice(own.valueFrom, own.to);
				row = members(json, payload.valueFrom);
			}
			if (!this.#isRow(message, row, schema)) return undefined;
			return this.#envelopeOf(message, row, schema);
		} catch (error) {
			if (error instanceof JsonSyntaxError || error instanceof SyntaxError)
				return undefined;
			throw error;
		} finally {
			json.release();
		}
	}

	#envelopeOf(
		message: ChangeMessage,
		row: readonly Member[],
		schema: string | undefined,
	): ChangeMessage {
		const json = this.#json;
		const added = new Map(
			row
				.filter(({ name }) => OURS.has(name))
				.map(({ name, valueFrom, to }) => [
					name,
					JSON.parse(json.slice(valueFrom, to)) as unknown,
				]),
		);
		const kept = row.filter(({ name }) => !OURS.has(name));
		const text = `{${kept.map(({ from, to }) => json.slice(from, to)).join(",")}}`;
		const gone = String(added.get("__deleted")) === "true";
		const named = String(added.get("__op"));
		// Without `op` among the fields an insert can't be told from an update.
		const op = gone ? "d" : /^[curd]$/.test(named) ? named : "u";
		const times = [
			["ts_us", micros(added.get("__source_ts_ns"), 0.001)],
			["ts_us", micros(added.get("__source_ts_us"), 1)],
			["ts_ms", micros(added.get("__source_ts_ms"), 1)],
		] as const;
		const handled = micros(added.get("__ts_ms"), 1);
		// MongoDB's deleted rows have their key in the message's key only.
		const before =
			this.#mongodb && message.key !== null && message.key.length > 0
				? "null"
				: text;
		return this.#made(
			message,
			op === "d" ? before : "null",
			op === "d" ? "null" : text,
			{ op, times, handled, schema: schema && this.#schemaOf(schema) },
		);
	}

	#made(
		message: ChangeMessage,
		before: string,
		after: string,
		about: {
			readonly op: string;
			readonly times: readonly (readonly [string, number | undefined])[];
			readonly handled?: number | undefined;
			readonly schema?: string | undefined;
		},
	): ChangeMessage {
		const { key, partition } = message;
		if (about.op === "d" && key !== null)
			this.#deleted.set(partition, textOf(key));
		else this.#deleted.delete(partition);
		const source = about.times
			.filter(([, value]) => value !== undefined)
			.map(([name, value]) => `"${name}":${value}`)
			.join(",");
		const payload = `{"before":${before},"after":${after},"source":{${source}},"op":"${about.op}","ts_ms":${about.handled ?? "null"}}`;
		return {
			...message,
			key: this.#mongodb && key !== null ? this.#documentKey(key) : key,
			value: Buffer.from(
				about.schema === undefined
					? payload
					: `{"schema":${about.schema},"payload":${payload}}`,
			),
		};
	}

	/** Whether the members are those of a row, not of an envelope or of Debezium's other records. */
	#isRow(
		{ key }: ChangeMessage,
		row: readonly Member[],
		schema: string | undefined,
	): boolean {
		const names = new Set(row.map(({ name }) => name));
		const has = (...all: readonly string[]): boolean =>
			all.every((name) => names.has(name));
		if (has("op") && (has("after") || has("before")))
			if (has("source") || row.every(({ name }) => ENVELOPE.has(name)))
				return false;
		if (has("status", "event_count") || has("ddl", "databaseName"))
			return false;
		if (row.some(({ name }) => OURS.has(name))) return true;
		if (names.size === 0 || (names.size === 1 && has("ts_ms"))) return false;
		if (this.expected) return true;
		if (schema !== undefined && /"name":\s*"[^"]*\.Value"/.test(schema))
			return true;
		const keys = key === null ? [] : keyNames(key);
		return this.#mongodb
			? has("_id") && keys.includes("id")
			: keys.length > 0 && has(...keys);
	}

	/** The key as the MongoDB connector has it: Extended JSON in a string. */
	#documentKey(key: Uint8Array): Uint8Array {
		const json = new JsonReader();
		try {
			json.load(key);
			let found = members(json, 0);
			const payload = found.find(({ name }) => name === "payload");
			if (payload !== undefined) found = members(json, payload.valueFrom);
			const id = found.find(({ name }) => name === "id");
			if (id === undefined) return key;
			const text = json.slice(id.valueFrom, id.to);
			return text.startsWith('"{')
				? key
				: Buffer.from(JSON.stringify({ id: text }));
		} catch (error) {
			if (error instanceof JsonSyntaxError) return key;
			throw error;
		}
	}

	#schemaOf(text: string): string {
		const known = this.#schemas.get(text);
		if (known !== undefined) return known;
		const schema = JSON.parse(text) as {
			readonly fields?: readonly { readonly field?: string }[];
		} | null;
		const fields = (schema?.fields ?? []).filter(
			({ field = "" }) => !OURS.has(field),
		);
		const made = JSON.stringify({
			type: "struct",
			fields: ["before", "after"].map((field) => ({
				...schema,
				fields,
				field,
			})),
		});
		if (this.#schemas.size >= 8) this.#schemas.clear();
		this.#schemas.set(text, made);
		return made;
	}
}

/** @throws JsonSyntaxError when there is no object */
function members(json: JsonReader, at: number): Member[] {
	const found: Member[] = [];
	json.pos = at;
	json.expect(0x7b);
	if (json.accept(0x7d)) return found;
	do {
		json.peek();
		const from = json.pos;
		json.key();
		const name = json.text();
		json.peek();
		const valueFrom = json.pos;
		json.skip();
		found.push({ name, from, valueFrom, to: json.pos });
	} while (json.accept(0x2c));
	json.expect(0x7d);
	return found;
}

function keyNames(key: Uint8Array): string[] {
	const json = new JsonReader();
	try {
		json.load(key);
		const found = members(json, 0);
		const payload = found.find(({ name }) => name === "payload");
		return (
			payload !== undefined && found.some(({ name }) => name === "schema")
				? members(json, payload.valueFrom)
				: found
		).map(({ name }) => name);
	} catch (error) {
		if (error instanceof JsonSyntaxError) return [];
		throw error;
	}
}

function textOf(key: Uint8Array): string {
	return Buffer.from(key).toString("latin1");
}

function micros(value: unknown, factor: number): number | undefined {
	return typeof value === "number" && Number.isFinite(value)
		? Math.trunc(value * factor)
		: undefined;
}
