import { createRequire } from "node:module";
import { expect, test } from "vitest";
import { decompress, registerCodecs } from "../../../src/writer/codecs.ts";
import {
	type FetchResponse,
	parseFetch,
} from "../../../src/writer/fetch-response.ts";
import { RecordCursor } from "../../../src/writer/record-batch.ts";

/** kafkajs's producer side, which knows nothing of this decoder. */
const require = createRequire(import.meta.url);
const { RecordBatch } = require("kafkajs/src/protocol/recordBatch/v0") as {
	RecordBatch(options: object): Promise<{ readonly buffer: Buffer }>;
};
const encodeRecord = require("kafkajs/src/protocol/recordBatch/record/v0") as (
	record: object,
) => object;

interface Written {
	readonly offsetDelta: number;
	readonly key: Buffer | null;
	readonly value: Buffer | null;
	readonly headers?: Record<string, Buffer | readonly Buffer[]>;
}

registerCodecs();

async function batch(
	firstOffset: number,
	records: readonly Written[],
	options: object = {},
): Promise<Buffer> {
	const { buffer } = await RecordBatch({
		firstOffset,
		firstTimestamp: 1_800_000_000_000,
		lastOffsetDelta: records.at(-1)?.offsetDelta ?? 0,
		records: records.map((record, i) =>
			encodeRecord({ ...record, timestampDelta: i * 1_000_000 }),
		),
		...options,
	});
	return Buffer.from(buffer);
}

function answer(
	version: number,
	records: Buffer,
	aborted: readonly (readonly [producerId: bigint, first: bigint])[] = [],
): Buffer {
	const int = (size: 2 | 4 | 8, value: number | bigint): Buffer => {
		const bytes = Buffer.alloc(size);
		if (size === 8) bytes.writeBigInt64BE(BigInt(value));
		else bytes.writeIntBE(Number(value), 0, size);
		return bytes;
	};
	const from = (first: number, ...parts: Buffer[]): Buffer[] =>
		version >= first ? parts : [];
	return Buffer.concat([
		int(4, 7),
		...from(7, int(2, 0), int(4, 0)),
		int(4, 1),
		int(2, 1),
		Buffer.from("t"),
		int(4, 1),
		int(4, 3),
		int(2, 0),
		int(8, 2n ** 40n),
		int(8, 2n ** 40n),
		...from(5, int(8, 0)),
		int(4, aborted.length),
		...aborted.flatMap(([id, first]) => [int(8, id), int(8, first)]),
		...from(11, int(4, -1)),
		int(4, records.length),
		records,
	]);
}

function fetched(response: FetchResponse | undefined) {
	const [partition] = response?.responses[0]?.partitions ?? [];
	if (partition === undefined) throw new Error("no partition");
	return partition;
}

/** What a consumer reads of an answer. */
function read(bytes: Buffer, version = 11) {
	const batches = fetched(parseFetch(bytes, version))
		.messages.filter(({ isControlRecord }) => !isControlRecord)
		.map(({ recordBatch }) => recordBatch);
	return Array.from(new RecordCursor(batches, decompress), (record) => ({
		offset: record.offset,
		key: text(record.key),
		value: text(record.value),
		headers: record.headers().map(({ name, value }) => [name, text(value)]),
		timestamp: record.timestamp(),
	}));
}

function text(bytes: Uint8Array | null): string | null {
	return bytes === null ? null : Buffer.from(bytes).toString();
}

test.each([4, 5, 6, 7, 8, 9, 10, 11])(
	"records of an answer of version %i are read where they stand, with large offsets, gaps, nulls and empty values",
	async (version) => {
		const records = [
			{ offsetDelta: 0, key: Buffer.from("a"), value: Buffer.from("1") },
			{ offsetDelta: 70, key: null, value: Buffer.alloc(0) },
			{ offsetDelta: 9000, key: Buffer.alloc(200, "k"), value: null },
		];
		const first = 2 ** 33 + 5;
		const bytes = answer(
			version,
			Buffer.concat([
				await batch(first, records),
				await batch(first + 9001, records.slice(0, 1)),
			]),
		);
		expect(
			read(bytes, version).map(({ offset, key, value, timestamp }) => [
				offset,
				key,
				value,
				timestamp,
			]),
		).toEqual([
			[first, "a", "1", 1_800_000_000_000],
			[first + 70, null, "", 1_800_001_000_000],
			[first + 9000, "k".repeat(200), null, 1_800_002_000_000],
			[first + 9001, "a", "1", 1_800_000_000_000],
		]);
		expect(fetched(parseFetch(bytes, version))).toMatchObject({
			partition: 3,
			highWatermark: String(2 ** 40),
		});
	},
);

test.each([
	["none", 0],
	["gzip", 1],
	["snappy", 2],
	["lz4", 3],
	["zstd", 4],
] as const)("a batch compressed with %s is whole", async (_, compression) => {
	const records = Array.from({ length: 300 }, (_, offsetDelta) => ({
		offsetDelta,
		key: Buffer.from(`key ${offsetDelta}`),
		value: Buffer.from(`value ${offsetDelta} `.repeat(offsetDelta)),
	}));
	const rows = read(answer(11, await batch(10, records, { compression })));
	expect(rows.map(({ offset }) => offset)).toEqual(
		records.map(({ offsetDelta }) => 10 + offsetDelta),
	);
	expect(rows.map(({ value }) => value)).toEqual(
		records.map(({ value }) => value.toString()),
	);
});

test("headers are those of their own record, all of a name", async () => {
	const record = (offsetDelta: number, headers: Written["headers"]): Written =>
		({ offsetDelta, key: null, value: Buffer.from("v"), headers }) as Written;
	const bytes = await batch(0, [
		record(0, { one: Buffer.from("1"), two: [Buffer.from("2"), EMPTY] }),
		record(1, undefined),
		record(2, { é: EMPTY }),
	]);
	const found = read(answer(11, bytes)).map(({ headers }) => headers);
	expect(found).toEqual([
		[
			["one", "1"],
			["two", "2"],
			["two", ""],
		],
		[],
		[["é", ""]],
	]);
});

const EMPTY = Buffer.alloc(0);

test("batches of two transactions that both began before the fetch and were aborted are left out", async () => {
	const one = (offset: number, producerId: bigint, transactional = true) =>
		batch(
			offset,
			[{ offsetDelta: 0, key: null, value: Buffer.from(`v${offset}`) }],
			{ producerId, transactional },
		);
	const marker = async (offset: number, producerId: bigint, type: number) => {
		const bytes = await batch(
			offset,
			[{ offsetDelta: 0, key: Buffer.from([0, 0, 0, type]), value: EMPTY }],
			{ producerId, transactional: true },
		);
		bytes.writeInt16BE(bytes.readInt16BE(21) | 0x20, 21);
		return bytes;
	};
	const bytes = answer(
		11,
		Buffer.concat([
			await one(20, 2n),
			await one(21, 1n),
			await one(22, 3n),
			await one(23, 1n, false),
			await marker(24, 1n, 0),
			await one(25, 1n),
			await marker(26, 2n, 0),
			await marker(27, 1n, 1),
			await one(28, 2n),
		]),
		[
			[1n, 5n],
			[2n, 6n],
		],
	);
	expect(read(bytes).map(({ offset }) => offset)).toEqual([22, 23, 25, 28]);
	// Markers and what was aborted count as read.
	expect(
		fetched(parseFetch(bytes, 11)).messages.map(({ offset }) => offset),
	).toEqual(["20", "21", "22", "23", "24", "25", "26", "27", "28"]);
});

test("a batch that is cut off at the answer's end is left for the next fetch", async () => {
	const whole = await batch(0, [
		{ offsetDelta: 0, key: null, value: Buffer.from("whole") },
	]);
	const next = await batch(1, [
		{ offsetDelta: 0, key: null, value: Buffer.from("cut") },
	]);
	for (let length = 0; length < next.length; length++)
		expect(
			read(answer(11, Buffer.concat([whole, next.subarray(0, length)]))).map(
				({ value }) => value,
			),
		).toEqual(["whole"]);
});

test("a damaged batch is an error or other records, never a loop or memory without end", async () => {
	const seed = Date.now() % 1_000_000;
	console.log(`seed ${seed}`);
	let state = seed;
	const random = (below: number): number => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
	const good = await batch(
		5,
		Array.from({ length: 20 }, (_, offsetDelta) => ({
			offsetDelta,
			key: Buffer.from("k"),
			value: Buffer.from(`{"n":${offsetDelta}}`),
		})),
	);
	for (let round = 0; round < 3000; round++) {
		const bytes = Buffer.from(good);
		// Not its length: what frames batches is the broker's.
		for (let n = 1 + random(3); n > 0; n--)
			bytes[17 + random(bytes.length - 17)] = random(256);
		try {
			let count = 0;
			for (const { offset } of read(answer(11, bytes)))
				if (++count > bytes.length) throw new Error(`offset ${offset}`);
		} catch (error) {
			const known =
				error instanceof RangeError ||
				(error as { readonly code?: string }).code === "KAFKA_ANSWER_INVALID";
			expect(known, `seed ${seed}: ${error}`).toBe(true);
		}
	}
});

test("message sets from before Kafka 0.11 are left to kafkajs", async () => {
	const records = await batch(0, [
		{ offsetDelta: 0, key: null, value: Buffer.from("old") },
	]);
	records[16] = 1;
	expect(parseFetch(answer(11, records), 11)).toBeUndefined();
});

test("an answer that is cut off is an error", async () => {
	const bytes = answer(
		11,
		await batch(0, [{ offsetDelta: 0, key: null, value: EMPTY }]),
	);
	for (let length = 0; length < bytes.length; length++)
		expect(() => parseFetch(bytes.subarray(0, length), 11)).toThrow(RangeError);
});
