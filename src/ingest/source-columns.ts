import { constantVector } from "../columnar/literal.ts";
import { field, type StructField } from "../columnar/types.ts";
import type { Vector } from "../columnar/vector.ts";

/** JSON of what did not fit the columns of a row; a table gets it when it is first needed. */
export const RESCUED_DATA = field("_rescued_data", "string");

/** The path of the file that a row came from: what its rows are found by when it changes. */
export const SOURCE_FILE = "_source_file";

/** The columns that each row gets, behind the file's own. */
export const SOURCE_COLUMNS: readonly StructField[] = [
	field(SOURCE_FILE, "string"),
	field("_source_row", "long"),
	field("_source_modified", "timestamp"),
	field("_ingestion_timestamp", "timestamp"),
	field("_ingestion_date", "date"),
];

/** Names that a column of a file can't have, in lower case. */
export const RESERVED: ReadonlySet<string> = new Set(
	[...SOURCE_COLUMNS, RESCUED_DATA].map(({ name }) => name),
);

/** Where rows came from. */
export interface RowOrigin {
	/** The object's URL. */
	readonly url: string;
	/** Milliseconds since the epoch. */
	readonly modifiedMs: number;
	/** Milliseconds since the epoch. */
	readonly ingestedMs: number;
}

/** Vectors of SOURCE_COLUMNS for `length` rows, the first of which is record `firstRow` of the file, from 1 on. */
export function sourceVectors(
	{ url, modifiedMs, ingestedMs }: RowOrigin,
	firstRow: number,
	length: number,
): Vector[] {
	const rows = new BigInt64Array(length);
	for (let i = 0; i < length; i++) rows[i] = BigInt(firstRow + i);
	return [
		constantVector("string", url, length),
		{ kind: "i64", length, validity: undefined, values: rows },
		constantVector("timestamp", BigInt(Math.trunc(modifiedMs)) * 1000n, length),
		constantVector("timestamp", BigInt(Math.trunc(ingestedMs)) * 1000n, length),
		constantVector("date", Math.floor(ingestedMs / 86_400_000), length),
	];
}
