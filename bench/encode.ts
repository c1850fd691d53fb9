/**
 * Parquet encoding of a million MongoDB-like rows of about 1 KB: our encoder beside parquet-wasm over
 * Arrow vectors of the same memory. Each candidate runs in a process of its own; making the rows
 * isn't counted.
 *
 *   node bench/encode.ts [rows] [rows per batch]
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { encodeParquet } from "../src/columnar/parquet/encode.ts";
import type { DataType, StructType } from "../src/columnar/types.ts";
import { array, field, struct } from "../src/columnar/types.ts";
import type { Batch, BytesVector, Vector } from "../src/columnar/vector.ts";

const CANDIDATES = [
	"tributary",
	"tributary-format-2",
	"tributary-snappy",
	"parquet-wasm",
] as const;

type Candidate = (typeof CANDIDATES)[number];

interface Result {
	readonly candidate: Candidate;
	readonly rows: number;
	readonly inputMB: number;
	readonly outputMB: number;
	readonly rowsPerSecond: number;
	readonly inputMBPerSecond: number;
	readonly cpuSecondsPerMillion: number;
	readonly peakRssMB: number;
	readonly baseRssMB: number;
}

const [rows = 1_000_000, batchRows = 100_000] = process.argv
	.slice(2)
	.filter((argument) => /^\d+$/.test(argument))
	.map(Number);
const only = process.argv.find((argument) => argument.startsWith("--only="));

if (only === undefined) {
	const results = CANDIDATES.map((candidate): Result => {
		const output = execFileSync(
			process.execPath,
			[
				"--expose-gc",
				import.meta.filename,
				String(rows),
				String(batchRows),
				`--only=${candidate}`,
			],
			{ encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] },
		);
		return JSON.parse(output);
	});
	console.table(results);
} else {
	const candidate = CANDIDATES.find((name) => only === `--only=${name}`);
	if (candidate === undefined) throw new Error(`unknown candidate in ${only}`);
	process.stdout.write(JSON.stringify(await measure(candidate)));
}

/**
 * Every batch is a file of its own, as a writer that commits every `batchRows` rows makes them. The
 * first batch warms up and isn't counted.
 */
async function measure(candidate: Candidate): Promise<Result> {
	const encode = await encoderOf(candidate);
	const batch = makeBatch(batchRows, 0);
	const inputBytes = batch.columns.reduce(
		(sum, column) => sum + sizeOf(column),
		0,
	);
	globalThis.gc?.();
	const baseRssMB = process.memoryUsage.rss() / 1e6;
	encode(batch);
	let outputBytes = 0;
	let cpu = 0;
	let wall = 0;
	let done = 0;
	while (done < rows) {
		const before = process.cpuUsage();
		const start = performance.now();
		outputBytes += encode(batch).length;
		wall += performance.now() - start;
		const used = process.cpuUsage(before);
		cpu += (used.user + used.system) / 1e6;
		done += batch.length;
	}
	const inputMB = (inputBytes * (done / batch.length)) / 1e6;
	const round = (value: number): number => Math.round(value * 100) / 100;
	return {
		candidate,
		rows: done,
		inputMB: round(inputMB),
		outputMB: round(outputBytes / 1e6),
		rowsPerSecond: Math.round(done / (wall / 1000)),
		inputMBPerSecond: Math.round(inputMB / (wall / 1000)),
		cpuSecondsPerMillion: round(cpu / (done / 1e6)),
		peakRssMB: Math.round(process.resourceUsage().maxRSS / 1000),
		baseRssMB: Math.round(baseRssMB),
	};
}

async function encoderOf(
	candidate: Candidate,
): Promise<(batch: Batch) => Uint8Array> {
	if (candidate === "tributary") return (batch) => encodeParquet([batch]).bytes;
	if (candidate === "tributary-format-2")
		return (batch) => encodeParquet([batch], { format: 2 }).bytes;
	if (candidate === "tributary-snappy")
		return (batch) => encodeParquet([batch], { compression: "snappy" }).bytes;
	const arrow = await import("apache-arrow");
	const wasm = await import("parquet-wasm/node");
	const properties = (): ReturnType<
		InstanceType<typeof wasm.WriterPropertiesBuilder>["build"]
	> =>
		new wasm.WriterPropertiesBuilder()
			.setCompression(wasm.Compression.ZSTD)
			.build();
	const typeOf = (type: DataType): InstanceType<typeof arrow.DataType> => {
		if (typeof type !== "string") {
			switch (type.type) {
				case "struct":
					return new arrow.Struct(
						type.fields.map(
							({ name, type: inner }) =>
								new arrow.Field(name, typeOf(inner), true),
						),
					);
				case "array":
					return new arrow.List(
						new arrow.Field("element", typeOf(type.elementType), true),
					);
				default:
					throw new Error("no maps here");
			}
		}
		switch (type) {
			case "boolean":
				return new arrow.Bool();
			case "integer":
				return new arrow.Int32();
			case "long":
				return new arrow.Int64();
			case "double":
				return new arrow.Float64();
			case "timestamp":
				return new arrow.TimestampMicrosecond("UTC");
			case "string":
				return new arrow.Utf8();
			default:
				throw new Error(`no ${type} here`);
		}
	};
	const bitmap = (bytes: Uint8Array): Uint8Array => {
		const bits = new Uint8Array(Math.ceil(bytes.length / 8));
		for (let i = 0; i < bytes.length; i++)
			bits[i >>> 3] =
				(bits[i >>> 3] as number) | ((bytes[i] as number) << (i & 7));
		return bits;
	};
	type Data = InstanceType<typeof arrow.Data>;
	const dataOf = (vector: Vector, type: DataType): Data => {
		const nulls =
			vector.validity === undefined
				? {}
				: { nullBitmap: bitmap(vector.validity) };
		const common = { type: typeOf(type), length: vector.length, ...nulls };
		const make = (more: object): Data =>
			arrow.makeData({ ...common, ...more } as Parameters<
				typeof arrow.makeData
			>[0]) as Data;
		switch (vector.kind) {
			case "bool":
				return make({ data: bitmap(vector.values) });
			case "bytes":
				return make({ valueOffsets: vector.offsets, data: vector.data });
			case "struct": {
				if (typeof type === "string" || type.type !== "struct")
					throw new Error("no struct");
				return make({
					children: vector.children.map((child, i) =>
						dataOf(child, type.fields[i]?.type as DataType),
					),
				});
			}
			case "list": {
				if (typeof type === "string" || type.type !== "array")
					throw new Error("no list");
				return make({
					valueOffsets: vector.offsets,
					child: dataOf(vector.child, type.elementType),
				});
			}
			case "map":
				throw new Error("no maps here");
			default:
				return make({ data: vector.values });
		}
	};
	return ({ schema, length, columns }) => {
		const children = columns.map((column, i) =>
			dataOf(column, schema.fields[i]?.type as DataType),
		);
		const type = typeOf(schema) as InstanceType<typeof arrow.Struct>;
		const record = new arrow.RecordBatch(
			new arrow.Schema(type.children),
			arrow.makeData({ type, length, children }),
		);
		const stream = arrow.tableToIPC(new arrow.Table(record), "stream");
		return wasm.writeParquet(wasm.Table.fromIPCStream(stream), properties());
	};
}

/** Orders of a shop: ids, names from small sets, numbers, free text, a document and an array. */
function makeBatch(length: number, seed: number): Batch {
	let state = seed + 1;
	// mulberry32
	const next = (n: number): number => {
		state = (state + 0x6d2b79f5) >>> 0;
		let t = state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
	};
	const words = Array.from({ length: 4000 }, (_, i) =>
		createHash("sha1")
			.update(String(i))
			.digest("base64url")
			.slice(0, 3 + (i % 9)),
	);
	const text = (count: number): string =>
		Array.from({ length: count }, () => words[next(words.length)]).join(" ");
	const hex = (digits: number): string =>
		Array.from({ length: digits }, () => next(16).toString(16)).join("");
	const strings = (
		make: (i: number) => string,
		nulls = 0,
		count = length,
	): BytesVector => {
		const parts: Buffer[] = [];
		const offsets = new Int32Array(count + 1);
		const validity = new Uint8Array(count).fill(1);
		let end = 0;
		for (let i = 0; i < count; i++) {
			if (nulls > 0 && next(100) < nulls) {
				validity[i] = 0;
			} else {
				const part = Buffer.from(make(i));
				parts.push(part);
				end += part.length;
			}
			offsets[i + 1] = end;
		}
		return {
			kind: "bytes",
			length: count,
			validity: nulls > 0 ? validity : undefined,
			offsets,
			data: new Uint8Array(Buffer.concat(parts)),
		};
	};
	const longs = (make: (i: number) => number): Vector => ({
		kind: "i64",
		length,
		validity: undefined,
		values: BigInt64Array.from({ length }, (_, i) => BigInt(make(i))),
	});
	const doubles = (make: (i: number) => number): Vector => ({
		kind: "f64",
		length,
		validity: undefined,
		values: Float64Array.from({ length }, (_, i) => make(i)),
	});
	const ints = (make: (i: number) => number, nulls = 0): Vector => ({
		kind: "i32",
		length,
		validity:
			nulls === 0
				? undefined
				: Uint8Array.from({ length }, () => (next(100) < nulls ? 0 : 1)),
		values: Int32Array.from({ length }, (_, i) => make(i)),
	});
	const pick = (values: readonly string[]) => () =>
		values[next(values.length)] as string;

	const items = new Int32Array(length + 1);
	for (let i = 0; i < length; i++)
		items[i + 1] = (items[i] as number) + 1 + next(4);
	const base = 1_750_000_000_000_000;
	const columns: [string, DataType, Vector][] = [
		["_id", "string", strings(() => hex(24))],
		["orderNo", "long", longs((i) => 10_000_000 + i)],
		["customerId", "string", strings(() => hex(24))],
		[
			"status",
			"string",
			strings(pick(["new", "paid", "shipped", "delivered", "returned"])),
		],
		["channel", "string", strings(pick(["web", "app", "store"]))],
		["currency", "string", strings(pick(["EUR", "USD", "GBP", "CHF"]))],
		["country", "string", strings(() => words[next(60)] as string)],
		["email", "string", strings(() => `${text(1)}@${text(1)}.example`)],
		["total", "double", doubles(() => next(1_000_000) / 100)],
		["tax", "double", doubles(() => next(100_000) / 100)],
		["quantity", "integer", ints(() => next(20))],
		["priority", "integer", ints(() => next(3), 30)],
		["createdAt", "timestamp", longs((i) => base + i * 1000 + next(1000))],
		["updatedAt", "timestamp", longs(() => base + next(1_000_000_000))],
		[
			"paid",
			"boolean",
			{
				kind: "bool",
				length,
				validity: undefined,
				values: Uint8Array.from({ length }, () => next(2)),
			},
		],
		["coupon", "string", strings(() => `C-${next(500)}`, 80)],
		["note", "string", strings(() => text(8), 20)],
		["userAgent", "string", strings(() => `Mozilla/5.0 ${words[next(300)]}`)],
		[
			"address",
			struct(
				field("street", "string"),
				field("city", "string"),
				field("zip", "string"),
				field("floor", "integer"),
			),
			{
				kind: "struct",
				length,
				validity: undefined,
				children: [
					strings(() => `${text(2)} ${next(200)}`),
					strings(() => words[next(1000)] as string),
					strings(() => String(10_000 + next(80_000))),
					ints(() => next(12), 50),
				],
			},
		],
		[
			"tags",
			array("string"),
			{
				kind: "list",
				length,
				validity: undefined,
				offsets: items,
				child: strings(
					() => words[next(200)] as string,
					0,
					items[length] as number,
				),
			},
		],
	];
	const schema: StructType = struct(
		...columns.map(([name, type]) => field(name, type)),
	);
	return { schema, length, columns: columns.map(([, , vector]) => vector) };
}

/** Bytes of values and offsets. */
function sizeOf(vector: Vector): number {
	switch (vector.kind) {
		case "bytes":
			return vector.data.length + vector.offsets.byteLength;
		case "struct":
			return vector.children.reduce((sum, child) => sum + sizeOf(child), 0);
		case "list":
			return vector.offsets.byteLength + sizeOf(vector.child);
		case "map":
			return sizeOf(vector.keys) + sizeOf(vector.values);
		default:
			return vector.values.byteLength;
	}
}
