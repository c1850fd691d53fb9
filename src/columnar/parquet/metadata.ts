import { ParquetError } from "./errors.ts";
import { CompactReader } from "./thrift-read.ts";

/*
 * The reading side of parquet.thrift: `FileMetaData` and `PageHeader`, as far as a reader needs
 * them. Enumerations are their names there. Bounds stay the bytes that they are.
 */

export interface FileMetadata {
	readonly schema: readonly SchemaElement[];
	readonly rows: number;
	readonly rowGroups: readonly RowGroupMetadata[];
	readonly createdBy: string | undefined;
	/** Per leaf whether its `min_value` and `max_value` are in the order of its type. */
	readonly typeOrders: readonly boolean[];
}

export interface SchemaElement {
	readonly name: string;
	/** `undefined` for a group. */
	readonly type?: PhysicalType | undefined;
	readonly typeLength?: number | undefined;
	readonly repetition?: Repetition | undefined;
	readonly children?: number | undefined;
	readonly converted?: string | undefined;
	readonly scale?: number | undefined;
	readonly precision?: number | undefined;
	readonly fieldId?: number | undefined;
	readonly logical?: LogicalType | undefined;
}

export type Repetition = "REQUIRED" | "OPTIONAL" | "REPEATED";

export type PhysicalType =
	| "BOOLEAN"
	| "INT32"
	| "INT64"
	| "INT96"
	| "FLOAT"
	| "DOUBLE"
	| "BYTE_ARRAY"
	| "FIXED_LEN_BYTE_ARRAY";

export type LogicalType =
	| {
			readonly type: "DECIMAL";
			readonly scale: number;
			readonly precision: number;
	  }
	| {
			readonly type: "TIMESTAMP";
			readonly unit: TimeUnit;
			readonly utc: boolean;
	  }
	| {
			readonly type: "INTEGER";
			readonly bits: number;
			readonly signed: boolean;
	  }
	| { readonly type: "OTHER"; readonly name: string };

export type TimeUnit = "MILLIS" | "MICROS" | "NANOS";

export interface RowGroupMetadata {
	readonly columns: readonly ColumnMetadata[];
	readonly rows: number;
}

export interface ColumnMetadata {
	readonly path: readonly string[];
	/** `undefined` when the column is encrypted or in another file. */
	readonly chunk: ChunkMetadata | undefined;
}

export interface ChunkMetadata {
	readonly type: PhysicalType;
	readonly codec: string;
	readonly entries: number;
	readonly uncompressedSize: number;
	readonly compressedSize: number;
	readonly dataOffset: number;
	readonly dictionaryOffset: number | undefined;
	readonly statistics: Statistics | undefined;
	readonly bloomOffset: number | undefined;
	/** With the header; some writers leave it out. */
	readonly bloomLength: number | undefined;
}

/** Values are PLAIN, bytes without their length. */
export interface Statistics {
	/** Deprecated, in signed order whatever the type. */
	readonly max?: Uint8Array;
	readonly min?: Uint8Array;
	readonly nulls?: number;
	readonly maxValue?: Uint8Array;
	readonly minValue?: Uint8Array;
	readonly maxExact?: boolean;
	readonly minExact?: boolean;
	readonly nans?: number;
}

export interface PageHeader {
	readonly kind: "data" | "data2" | "dictionary" | "other";
	readonly uncompressedSize: number;
	readonly compressedSize: number;
	readonly crc: number | undefined;
	readonly entries: number;
	readonly encoding: string;
	/** Of the levels of a V1 page. */
	readonly definitionEncoding: string;
	readonly repetitionEncoding: string;
	/** Of a V2 page: bytes of its levels, which aren't compressed. */
	readonly definitionBytes: number;
	readonly repetitionBytes: number;
	readonly compressed: boolean;
}

const PHYSICAL: readonly PhysicalType[] = [
	"BOOLEAN",
	"INT32",
	"INT64",
	"INT96",
	"FLOAT",
	"DOUBLE",
	"BYTE_ARRAY",
	"FIXED_LEN_BYTE_ARRAY",
];
const REPETITIONS: readonly Repetition[] = ["REQUIRED", "OPTIONAL", "REPEATED"];
const CONVERTED =
	"UTF8 MAP MAP_KEY_VALUE LIST ENUM DECIMAL DATE TIME_MILLIS TIME_MICROS TIMESTAMP_MILLIS TIMESTAMP_MICROS UINT_8 UINT_16 UINT_32 UINT_64 INT_8 INT_16 INT_32 INT_64 JSON BSON INTERVAL".split(
		" ",
	);
const CODECS = "UNCOMPRESSED SNAPPY GZIP LZO BROTLI LZ4 ZSTD LZ4_RAW".split(
	" ",
);
const ENCODINGS =
	"PLAIN GROUP_VAR_INT PLAIN_DICTIONARY RLE BIT_PACKED DELTA_BINARY_PACKED DELTA_LENGTH_BYTE_ARRAY DELTA_BYTE_ARRAY RLE_DICTIONARY BYTE_STREAM_SPLIT".split(
		" ",
	);
const PAGES = ["data", "other", "dictionary", "data2"] as const;
const LOGICAL: Readonly<Record<number, string>> = {
	1: "STRING",
	2: "MAP",
	3: "LIST",
	4: "ENUM",
	6: "DATE",
	7: "TIME",
	11: "NULL",
	12: "JSON",
	13: "BSON",
	14: "UUID",
	15: "FLOAT16",
	16: "VARIANT",
	17: "GEOMETRY",
	18: "GEOGRAPHY",
};

/** Reads `FileMetaData`. */
export function readMetadata(bytes: Uint8Array): FileMetadata {
	const reader = new CompactReader(bytes);
	let schema: SchemaElement[] | undefined;
	let rows = 0;
	let rowGroups: RowGroupMetadata[] = [];
	let createdBy: string | undefined;
	let typeOrders: boolean[] = [];
	reader.struct((id) => {
		if (id === 2) schema = reader.list(() => readElement(reader));
		else if (id === 3) rows = reader.integer();
		else if (id === 4) rowGroups = reader.list(() => readRowGroup(reader));
		else if (id === 6) createdBy = reader.text();
		else if (id === 7) typeOrders = reader.list(() => readOrder(reader));
	});
	if (schema === undefined) throw missing("schema");
	return { schema, rows, rowGroups, createdBy, typeOrders };
}

/** Reads a page's header at `offset`, and where the page begins. */
export function readPageHeader(
	bytes: Uint8Array,
	offset: number,
): { readonly header: PageHeader; readonly end: number } {
	const reader = new CompactReader(bytes, offset);
	const header = {
		kind: "other" as PageHeader["kind"],
		uncompressedSize: -1,
		compressedSize: -1,
		crc: undefined as number | undefined,
		entries: 0,
		encoding: "PLAIN",
		definitionEncoding: "RLE",
		repetitionEncoding: "RLE",
		definitionBytes: 0,
		repetitionBytes: 0,
		compressed: true,
	};
	const encoding = (): string => named(ENCODINGS, reader.integer());
	reader.struct((id) => {
		if (id === 1) header.kind = PAGES[reader.integer()] ?? "other";
		else if (id === 2) header.uncompressedSize = reader.integer();
		else if (id === 3) header.compressedSize = reader.integer();
		else if (id === 4) header.crc = reader.integer();
		else if (id === 5)
			reader.struct((field) => {
				if (field === 1) header.entries = reader.integer();
				else if (field === 2) header.encoding = encoding();
				else if (field === 3) header.definitionEncoding = encoding();
				else if (field === 4) header.repetitionEncoding = encoding();
			});
		else if (id === 7)
			reader.struct((field) => {
				if (field === 1) header.entries = reader.integer();
				else if (field === 2) header.encoding = encoding();
			});
		else if (id === 8)
			reader.struct((field) => {
				if (field === 1) header.entries = reader.integer();
				else if (field === 4) header.encoding = encoding();
				else if (field === 5) header.definitionBytes = reader.integer();
				else if (field === 6) header.repetitionBytes = reader.integer();
				else if (field === 7) header.compressed = reader.bool();
			});
	});
	return { header, end: reader.offset };
}

function readElement(reader: CompactReader): SchemaElement {
	let name: string | undefined;
	const rest: { -readonly [K in keyof SchemaElement]: SchemaElement[K] } = {
		name: "",
	};
	reader.struct((id) => {
		if (id === 1) rest.type = physical(reader.integer());
		else if (id === 2) rest.typeLength = reader.integer();
		else if (id === 3) rest.repetition = repetition(reader.integer());
		else if (id === 4) name = reader.text();
		else if (id === 5) rest.children = reader.integer();
		else if (id === 6) rest.converted = named(CONVERTED, reader.integer());
		else if (id === 7) rest.scale = reader.integer();
		else if (id === 8) rest.precision = reader.integer();
		else if (id === 9) rest.fieldId = reader.integer();
		else if (id === 10) rest.logical = readLogicalType(reader);
	});
	if (name === undefined) throw missing("name of a schema element");
	return { ...rest, name };
}

function readLogicalType(reader: CompactReader): LogicalType | undefined {
	let type: LogicalType | undefined;
	reader.struct((id) => {
		if (id === 5) {
			let scale = 0;
			let precision = 0;
			reader.struct((field) => {
				if (field === 1) scale = reader.integer();
				else if (field === 2) precision = reader.integer();
			});
			type = { type: "DECIMAL", scale, precision };
		} else if (id === 8) {
			let utc = false;
			let unit: TimeUnit | undefined;
			reader.struct((field) => {
				if (field === 1) utc = reader.bool();
				else if (field === 2)
					reader.struct((which) => {
						unit = (["MILLIS", "MICROS", "NANOS"] as const)[which - 1];
					});
			});
			if (unit === undefined) throw missing("unit of a timestamp");
			type = { type: "TIMESTAMP", unit, utc };
		} else if (id === 10) {
			let bits = 0;
			let signed = true;
			reader.struct((field) => {
				if (field === 1) bits = reader.i8();
				else if (field === 2) signed = reader.bool();
			});
			type = { type: "INTEGER", bits, signed };
		} else {
			type = { type: "OTHER", name: LOGICAL[id] ?? `logical type ${id}` };
		}
	});
	return type;
}

function readRowGroup(reader: CompactReader): RowGroupMetadata {
	let columns: ColumnMetadata[] = [];
	let rows = -1;
	reader.struct((id) => {
		if (id === 1) columns = reader.list(() => readColumn(reader));
		else if (id === 3) rows = reader.integer();
	});
	if (rows < 0) throw missing("number of rows of a row group");
	return { columns, rows };
}

function readColumn(reader: CompactReader): ColumnMetadata {
	let elsewhere = false;
	let column: ColumnMetadata | undefined;
	reader.struct((id) => {
		if (id === 1) elsewhere = reader.text() !== "";
		else if (id === 3) column = readChunk(reader);
		else if (id === 8) elsewhere = true;
	});
	if (column === undefined) return { path: [], chunk: undefined };
	return elsewhere ? { path: column.path, chunk: undefined } : column;
}

function readChunk(reader: CompactReader): ColumnMetadata {
	let path: string[] = [];
	let type: PhysicalType | undefined;
	const chunk = {
		codec: "UNCOMPRESSED",
		entries: -1,
		uncompressedSize: -1,
		compressedSize: -1,
		dataOffset: -1,
		dictionaryOffset: undefined as number | undefined,
		statistics: undefined as Statistics | undefined,
		bloomOffset: undefined as number | undefined,
		bloomLength: undefined as number | undefined,
	};
	reader.struct((id) => {
		if (id === 1) type = physical(reader.integer());
		else if (id === 3) path = reader.list(() => reader.text());
		else if (id === 4) chunk.codec = named(CODECS, reader.integer());
		else if (id === 5) chunk.entries = reader.integer();
		else if (id === 6) chunk.uncompressedSize = reader.integer();
		else if (id === 7) chunk.compressedSize = reader.integer();
		else if (id === 9) chunk.dataOffset = reader.integer();
		else if (id === 11) chunk.dictionaryOffset = reader.integer();
		else if (id === 12) chunk.statistics = readStatistics(reader);
		else if (id === 14) chunk.bloomOffset = reader.integer();
		else if (id === 15) chunk.bloomLength = reader.integer();
	});
	if (type === undefined || chunk.entries < 0 || chunk.compressedSize < 0)
		throw missing(`type or size of the column ${path.join(".")}`);
	return { path, chunk: { ...chunk, type } };
}

function readStatistics(reader: CompactReader): Statistics {
	const statistics: { -readonly [K in keyof Statistics]: Statistics[K] } = {};
	reader.struct((id) => {
		if (id === 1) statistics.max = reader.binary();
		else if (id === 2) statistics.min = reader.binary();
		else if (id === 3) statistics.nulls = reader.integer();
		else if (id === 5) statistics.maxValue = reader.binary();
		else if (id === 6) statistics.minValue = reader.binary();
		else if (id === 7) statistics.maxExact = reader.bool();
		else if (id === 8) statistics.minExact = reader.bool();
		else if (id === 9) statistics.nans = reader.integer();
	});
	return statistics;
}

/** Only the order of the type is one that a reader of today's values knows. */
function readOrder(reader: CompactReader): boolean {
	let order = 0;
	reader.struct((id) => {
		order = id;
	});
	return order === 1;
}

function physical(code: number): PhysicalType {
	const type = PHYSICAL[code];
	if (type === undefined)
		throw new ParquetError(
			"PARQUET_UNSUPPORTED",
			`the physical type ${code} is not known; rewrite the file`,
		);
	return type;
}

function repetition(code: number): Repetition {
	const name = REPETITIONS[code];
	if (name === undefined) throw missing(`repetition type ${code}`);
	return name;
}

function named(names: readonly string[], code: number): string {
	return names[code] ?? String(code);
}

function missing(what: string): ParquetError {
	return new ParquetError(
		"PARQUET_INVALID",
		`the footer has no valid ${what}; the file is damaged`,
	);
}
