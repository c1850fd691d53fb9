import * as wasm from "parquet-wasm/node";
import { expect, test } from "vitest";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import {
	bloomMayContain,
	bytesFile,
	readParquet,
} from "../../../src/columnar/parquet/read.ts";
import { array, field, struct } from "../../../src/columnar/types.ts";
import type { Batch, Row } from "../../../src/columnar/vector.ts";
import { TributaryError } from "../../../src/errors.ts";
import type { Random } from "./random.ts";
import { random, randomBatch, rowsOf } from "./random.ts";

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const FILES = Number(process.env.FILES ?? 5000);

const SCHEMA = struct(
	field("n", "long"),
	field("i", "integer", { nullable: false }),
	field("text", "string"),
	field("bytes", "binary"),
	field("ok", "boolean"),
	field("x", "double"),
	field("big", "decimal(30,3)"),
	field("at", "timestamp"),
	field("s", struct(field("a", "date"), field("b", array("string")))),
	field("m", {
		type: "map",
		keyType: "string",
		valueType: array("long"),
		valueContainsNull: true,
	}),
);

interface Original {
	readonly name: string;
	readonly bytes: Uint8Array;
	readonly rows: readonly Row[];
}

/** Files of ours and, by another writer, in the encodings that we don't write. */
function originals(rng: Random): Original[] {
	const batch = randomBatch(rng, SCHEMA, 60);
	const rows = rowsOf([batch]);
	const ours = (["zstd", "snappy", "none"] as const).map((compression) => ({
		name: `ours, ${compression}`,
		bytes: encodeParquet([batch], {
			compression,
			pageRows: 25,
			rowGroupRows: 40,
			format: compression === "none" ? 2 : 1,
			bloom: [["n"], ["text"]],
		}).bytes,
		rows,
	}));
	const { Compression, Encoding, WriterVersion } = wasm;
	const theirs = [
		[WriterVersion.V1, Compression.LZ4_RAW, undefined],
		[WriterVersion.V2, Compression.SNAPPY, undefined],
		[WriterVersion.V2, Compression.GZIP, Encoding.PLAIN],
		[WriterVersion.V2, Compression.BROTLI, Encoding.DELTA_BINARY_PACKED],
		[WriterVersion.V2, Compression.ZSTD, Encoding.DELTA_BYTE_ARRAY],
		[WriterVersion.V1, Compression.UNCOMPRESSED, Encoding.DELTA_BYTE_ARRAY],
	] as const;
	return [
		...ours,
		...theirs.map(([version, compression, encoding]) => {
			let builder = new wasm.WriterPropertiesBuilder()
				.setWriterVersion(version)
				.setCompression(compression)
				.setDictionaryEnabled(encoding === undefined);
			if (encoding !== undefined)
				for (const column of columnsOf(encoding))
					builder = builder.setColumnEncoding(column, encoding);
			const table = wasm.readParquet(ours[2]?.bytes as Uint8Array);
			return {
				name: `parquet-wasm, ${WriterVersion[version]}, ${Compression[compression]}, ${encoding === undefined ? "dictionary" : Encoding[encoding]}`,
				bytes: wasm.writeParquet(table, builder.build()),
				rows,
			};
		}),
	];
}

function columnsOf(encoding: wasm.Encoding): string[] {
	switch (encoding) {
		case wasm.Encoding.DELTA_BINARY_PACKED:
			return ["n", "i", "at", "s.a"];
		case wasm.Encoding.DELTA_BYTE_ARRAY:
			return ["text", "bytes", "s.b.list.element", "big"];
		default:
			return ["n"];
	}
}

test(`files of every kind that are later damaged can be read (SEED=${SEED})`, async () => {
	for (const { name, bytes, rows } of originals(random(SEED)))
		expect(await read(bytes, 65_536), name).toEqual(rows);
});

test(`${FILES} damaged files give an error or an answer, soon and in little memory (SEED=${SEED})`, async () => {
	const before = process.resourceUsage().maxRSS;
	let refused = 0;
	for (let i = 0; i < FILES; i++) {
		const rng = random(SEED + i);
		// Random files are costly to make: each is damaged in many ways.
		if (i % 500 === 0) sources = originals(random(SEED + i));
		const { name, bytes, rows } = rng.pick(sources);
		const { how, broken, footer } = damage(rng, bytes);
		const where = `seed ${SEED}, file ${i}: ${name}, ${how}`;
		const started = performance.now();
		try {
			const got = await read(broken, rng.pick([7, 65_536]));
			// Pages of ours have checksums.
			if (!footer && name.startsWith("ours")) expect(got, where).toEqual(rows);
			await bloomMayContain(bytesFile(broken), ["n"], 5n, { schema: SCHEMA });
		} catch (error) {
			if (!(error instanceof TributaryError)) throw error;
			refused++;
		}
		expect(performance.now() - started, where).toBeLessThan(10_000);
	}
	expect(refused).toBeGreaterThan(FILES / 2);
	expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(700);
}, 180_000);

let sources: Original[] = [];

/** All rows; the statistics are looked at on the way. */
async function read(bytes: Uint8Array, batchRows: number): Promise<Row[]> {
	const batches: Batch[] = [];
	const options = { schema: SCHEMA, batchRows };
	for await (const { batch } of readParquet(bytesFile(bytes), {
		...options,
		keep: (group) => {
			for (const { name } of SCHEMA.fields) group.column([name]);
			return true;
		},
	}))
		batches.push(batch);
	return rowsOf(batches);
}

function damage(
	rng: Random,
	bytes: Uint8Array,
): {
	readonly how: string;
	readonly broken: Uint8Array;
	/** Whether the footer is damaged. */
	readonly footer: boolean;
} {
	const size = new DataView(bytes.buffer, bytes.byteOffset).getUint32(
		bytes.length - 8,
		true,
	);
	// Half of the damage is in the footer, which is small.
	const at = rng.chance(0.5)
		? bytes.length - 8 - size + rng.below(size)
		: rng.below(bytes.length);
	const broken = bytes.slice();
	const length = 1 + rng.below(12);
	const footer = at + length > bytes.length - 8 - size;
	switch (rng.below(6)) {
		case 0:
			broken[at] = (broken[at] as number) ^ (1 << rng.below(8));
			return { how: `a bit at ${at}`, broken, footer };
		case 1:
			broken[at] = rng.pick([0, 0x7f, 0x80, 0xff, rng.below(256)]);
			return { how: `a byte at ${at}`, broken, footer };
		case 2:
			broken.fill(rng.pick([0, 0xff]), at, at + length);
			return { how: `${length} bytes at ${at}`, broken, footer };
		case 3:
			broken.copyWithin(at, rng.below(bytes.length), rng.below(bytes.length));
			return { how: `a range over ${at}`, broken, footer: true };
		case 4: {
			// The footer's length still fits, what is in it doesn't.
			const cut = Buffer.concat([
				bytes.subarray(0, at),
				bytes.subarray(at + length),
			]);
			return { how: `${length} bytes cut out at ${at}`, broken: cut, footer };
		}
		default:
			return {
				how: `cut off at ${at}`,
				broken: broken.subarray(0, at),
				footer: true,
			};
	}
}
