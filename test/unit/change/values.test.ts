import { expect, test } from "vitest";
import { bytesOf } from "../../../src/change/base64.ts";
import { TableDecoder } from "../../../src/change/decoder.ts";
import { rowsOf } from "./rows.ts";

test.each([
	"A",
	"AA",
	"AAA",
	"AAAAA",
	"AA=A",
	"A===",
	"====",
	"AA==AAAA",
	"AA!A",
	"AAA\n",
	"AA-_",
	"é===",
])("%j is no base64, and stands for no bytes", (text) => {
	expect(bytesOf(text)).toBeUndefined();
});

test("base64 of any length is the bytes that it was made of", () => {
	for (let length = 0; length < 70; length++) {
		const bytes = Buffer.from(
			Array.from({ length }, (_, i) => (i * 89 + length * 31) & 255),
		);
		expect(Buffer.from(bytesOf(bytes.toString("base64")) ?? [1])).toEqual(
			bytes,
		);
	}
});

test("dates at the ends of BSON's years keep their milliseconds", () => {
	const decoder = new TableDecoder({ source: "mongodb", mode: "upsert" });
	const dates = [
		"0",
		"253402300799999",
		"-62135596800001",
		"999999999999999",
		"9007199254740991",
		"9223372036854775",
		"9223372036854776",
	];
	for (const ms of dates)
		decoder.decode({
			topic: "t",
			partition: 0,
			offset: 0,
			key: null,
			value: Buffer.from(
				JSON.stringify({
					after: `{"_id": 1,"at": {"$date": ${ms.length > 15 ? `{"$numberLong": "${ms}"}` : ms}}}`,
					op: "c",
				}),
			),
		});
	const { batch } = decoder.finish(0);
	const column =
		batch.columns[batch.schema.fields.findIndex(({ name }) => name === "at")];
	if (column?.kind !== "i64") throw new Error(column?.kind);
	expect([...column.values].slice(0, 6)).toEqual(
		dates.slice(0, 6).map((ms) => BigInt(ms) * 1000n),
	);
	// In microseconds the last one is beyond 64 bits.
	expect(column.validity?.[6]).toBe(0);
	expect(rowsOf(batch)[6]?._rescued_data).toContain("9223372036854776");
});

test("a time with a zone is that instant, and one that no calendar has is rescued", () => {
	const schema =
		'{"type":"struct","fields":[{"type":"struct","field":"after","fields":[{"type":"string","name":"io.debezium.time.ZonedTimestamp","field":"at"}]}]}';
	const at = (text: string): unknown => {
		const decoder = new TableDecoder({ source: "postgresql", mode: "append" });
		decoder.decode({
			topic: "t",
			partition: 0,
			offset: 0,
			key: null,
			value: Buffer.from(
				`{"schema":${schema},"payload":{"after":{"at":"${text}"},"op":"c"}}`,
			),
		});
		return rowsOf(decoder.finish(0).batch)[0]?.at;
	};
	// From year 1 to year 9999.
	for (
		let ms = -62_135_596_800_000;
		ms < 253_402_300_800_000;
		ms += 400_000_000_007
	) {
		const iso = new Date(ms).toISOString();
		expect(at(iso)).toBe(JSON.stringify(iso.replace("Z", "000Z")));
	}
	expect(at("2026-01-02T03:04:05.6789+05:30")).toBe(
		'"2026-01-01T21:34:05.678900Z"',
	);
	expect(at("2026-01-02T03:04:05.123456789Z")).toBe(
		'"2026-01-02T03:04:05.123456Z"',
	);
	expect(at("1969-12-31T23:59:59.999999Z")).toBe(
		'"1969-12-31T23:59:59.999999Z"',
	);
	expect(at("2024-02-29T00:00:00Z")).toBe('"2024-02-29T00:00:00.000000Z"');
	for (const bad of [
		"2023-02-29T00:00:00Z",
		"2026-04-31T00:00:00Z",
		"2026-00-01T00:00:00Z",
		"2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-01-01 00:00:00Z",
		"2026-01-01T00:00:00",
		"2026-01-01T00:00:00.Z",
		"infinity",
	])
		expect(at(bad), bad).toBeUndefined();
});
