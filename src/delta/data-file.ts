import { take } from "../columnar/batch.ts";
import { joinBytes } from "../columnar/parquet/bytes.ts";
import {
	type EncodeOptions,
	type LeafStats,
	ParquetWriter,
} from "../columnar/parquet/encode.ts";
import type { DataType, StructType } from "../columnar/types.ts";
import type { Batch } from "../columnar/vector.ts";
import type { Metadata } from "./actions.ts";
import { type MappingMode, physicalSchema } from "./column-mapping.ts";
import { DeltaError } from "./errors.ts";
import { parseColumnList, pickColumns } from "./stats-columns.ts";

/** A list of columns, as `delta.dataSkippingStatsColumns` is one, whose files get Bloom filters. */
export const BLOOM_COLUMNS = "tributary.parquet.bloomFilterColumns";
const TARGET_FILE_SIZE = "delta.targetFileSize";
const DEFAULT_TARGET_BYTES = 256 * 2 ** 20;
const UNITS: Readonly<Record<string, number>> = {
	"": 1,
	k: 2 ** 10,
	m: 2 ** 20,
	g: 2 ** 30,
	t: 2 ** 40,
};

export interface DataFile {
	readonly bytes: Uint8Array<ArrayBuffer>;
	readonly leaves: readonly LeafStats[];
	/** The batch's rows in it, in the file's order. */
	readonly rows: Int32Array;
}

/** What a table's properties say of its data files. */
export interface DataFileOptions {
	readonly encode: EncodeOptions &
		Required<Pick<EncodeOptions, "compression" | "format">>;
	/** Size that a file may pass by less than one row group. */
	readonly targetBytes: number;
}

/**
 * A codec that isn't written here becomes zstd.
 * @throws DeltaError DELTA_LOG_INVALID when `delta.targetFileSize` or
 *   `tributary.parquet.bloomFilterColumns` can't be understood
 */
export function dataFileOptions(
	schema: StructType,
	{ configuration }: Pick<Metadata, "configuration">,
	mode: MappingMode,
): DataFileOptions {
	const codec = configuration["delta.parquet.compression.codec"]?.toLowerCase();
	const version = configuration["delta.parquet.format.version"];
	const bloom = configuration[BLOOM_COLUMNS];
	return {
		encode: {
			compression:
				codec === "snappy" || codec === "gzip"
					? codec
					: codec === "none" || codec === "uncompressed"
						? "none"
						: "zstd",
			format: version?.startsWith("2.") === true ? 2 : 1,
			fieldIds: mode !== "none",
			bloom: bloom === undefined ? [] : bloomPaths(schema, bloom, mode),
		},
		targetBytes: targetBytes(configuration[TARGET_FILE_SIZE]),
	};
}

/**
 * Encodes these rows of a batch, in as many files as their target size asks for. A file is made when
 * it is asked for, so that no more than one has to be held.
 */
export function* encodeDataFiles(
	batch: Batch,
	rows: Int32Array,
	{ encode, targetBytes }: DataFileOptions,
	rowGroupRows = 131_072,
): Generator<DataFile> {
	const whole = rows.length === batch.length;
	for (let from = 0; from < rows.length; ) {
		const writer = new ParquetWriter(batch.schema, { ...encode, rowGroupRows });
		let to = from;
		do {
			const next = Math.min(to + rowGroupRows, rows.length);
			writer.write(
				whole && next - to === batch.length
					? batch
					: take(batch, rows.subarray(to, next)),
			);
			to = next;
		} while (to < rows.length && writer.bytesWritten < targetBytes);
		const { leaves } = writer.finish();
		yield {
			bytes: joinBytes(writer.take()),
			leaves,
			rows: rows.subarray(from, to),
		};
		from = to;
	}
}

function targetBytes(text: string | undefined): number {
	if (text === undefined) return DEFAULT_TARGET_BYTES;
	const [, count = "", unit = ""] =
		/^\s*(\d+)\s*([kmgt]?)(?:i?b)?\s*$/i.exec(text) ?? [];
	const bytes = Number(count) * (UNITS[unit.toLowerCase()] ?? 1);
	if (count === "" || bytes === 0)
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`${TARGET_FILE_SIZE} is ${JSON.stringify(text)}; it has to be a size such as 134217728 or 128mb`,
		);
	return bytes;
}

function bloomPaths(
	schema: StructType,
	text: string,
	mode: MappingMode,
): string[][] {
	return [
		...leaves(
			physicalSchema(
				pickColumns(
					schema,
					parseColumnList(text).map((path) =>
						path.map((part) => part.toLowerCase()),
					),
				),
				mode,
			),
			[],
		),
	];
}

/** Booleans, variants and what is in arrays and maps have no filter. */
function* leaves(type: DataType, path: string[]): Generator<string[]> {
	if (typeof type === "string") {
		if (type !== "boolean" && type !== "variant" && type !== "void") yield path;
	} else if (type.type === "struct") {
		for (const field of type.fields)
			yield* leaves(field.type, [...path, field.name]);
	}
}
