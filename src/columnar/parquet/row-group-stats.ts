import type { DataType, StructField, StructType } from "../types.ts";
import { valueAt } from "../value.ts";
import type { Value } from "../vector.ts";
import { BLOOM_HEADER_BYTES, bloomOf, readBloomHeader } from "./bloom.ts";
import type { Conversion } from "./conversion.ts";
import { conversion } from "./conversion.ts";
import { ParquetError } from "./errors.ts";
import type {
	ChunkMetadata,
	FileMetadata,
	RowGroupMetadata,
	SchemaElement,
	Statistics,
} from "./metadata.ts";
import type { RawValues } from "./plain-read.ts";
import { plainForms } from "./plain-value.ts";
import type { FileNode, ReadNode } from "./projection.ts";
import { project } from "./projection.ts";
import type { RandomAccess } from "./random-access.ts";
import { readRange } from "./random-access.ts";
import { decodeValues } from "./raw.ts";

/** What the footer says of a row group: enough to see that no row of it is wanted. */
export interface RowGroupStats {
	readonly rows: number;
	/** Position of its first row in the file. */
	readonly firstRow: number;
	/** Of a leaf that is in no list or map, by the names of the schema; `undefined` if not known. */
	column(path: readonly string[]): ColumnStats | undefined;
	/**
	 * Whether a row may have this value in the leaf, by its Bloom filter, which is read from the
	 * file; true when there is none. null may always be there.
	 */
	mayContain(path: readonly string[], value: Value): Promise<boolean>;
}

/**
 * Bounds that no value of the leaf leaves, as values of the type in the schema, in Delta's order. What
 * isn't known, or not reliable, is absent.
 */
export interface ColumnStats {
	/** Rows without a value, those of a missing struct around it included. */
	readonly nullCount?: number;
	readonly min?: Value;
	readonly max?: Value;
	/** Whether the bounds are values that are there, not cut. */
	readonly minExact: boolean;
	readonly maxExact: boolean;
	/** Whether there may be NaNs, which are within no bounds. */
	readonly nan: boolean;
}

/** Where a leaf of the wanted schema is in a file. */
interface Found {
	readonly type: DataType;
	readonly file: FileNode;
	readonly convert: Conversion;
}

/** Finds the statistics of a file's row groups by the names and types of a schema. */
export function statsReader(
	file: RandomAccess,
	metadata: FileMetadata,
	root: FileNode,
	schema: StructType,
	options: { readonly fieldIds: boolean },
): (group: RowGroupMetadata, firstRow: number) => RowGroupStats {
	const found = new Map<string, Found | "missing" | undefined>();
	const find = (path: readonly string[]): Found | "missing" | undefined => {
		const key = JSON.stringify(path);
		if (!found.has(key)) found.set(key, locate(path, root, schema, options));
		return found.get(key);
	};
	return (group, firstRow) => ({
		rows: group.rows,
		firstRow,
		column(path) {
			const place = find(path);
			if (place === undefined) return undefined;
			if (place === "missing")
				return {
					nullCount: group.rows,
					minExact: false,
					maxExact: false,
					nan: false,
				};
			const { column } = place.file;
			const chunk = group.columns[column]?.chunk;
			if (chunk?.statistics === undefined) return undefined;
			const ordered = metadata.typeOrders[column] ?? false;
			return columnStats(place, chunk, chunk.statistics, ordered);
		},
		async mayContain(path, value) {
			const place = find(path);
			if (place === undefined || value === null) return true;
			if (place === "missing") return false;
			const chunk = group.columns[place.file.column]?.chunk;
			if (chunk?.bloomOffset === undefined) return true;
			const forms = plainForms(value, place.type, place.file.element);
			if (forms === undefined) return true;
			if (forms.length === 0) return false;
			const filter = await readBloom(
				file,
				chunk.bloomOffset,
				chunk.bloomLength,
			);
			return (
				filter === undefined || forms.some((form) => filter.mayContain(form))
			);
		},
	});
}

function locate(
	path: readonly string[],
	root: FileNode,
	schema: StructType,
	options: { readonly fieldIds: boolean },
): Found | "missing" | undefined {
	const [first, ...rest] = path;
	let field = schema.fields.find(({ name }) => name === first);
	if (field === undefined) return undefined;
	try {
		let node = project({ type: "struct", fields: [field] }, root, options)[0];
		for (const name of rest) {
			if (node?.kind === "missing") break;
			const next = memberOf(field, node, name);
			if (next === undefined) return undefined;
			({ field, node } = next);
		}
		if (node?.kind === "missing") return "missing";
		if (node?.kind !== "leaf") return undefined;
		const { type, file } = node;
		return { type, file, convert: conversion(type, file) };
	} catch (error) {
		// Reading the column says what is wrong; here it is only not known.
		if (error instanceof ParquetError) return undefined;
		throw error;
	}
}

function memberOf(
	field: StructField,
	node: ReadNode | undefined,
	name: string,
): { readonly field: StructField; readonly node: ReadNode } | undefined {
	if (node?.kind !== "struct" || typeof field.type === "string")
		return undefined;
	if (field.type.type !== "struct") return undefined;
	const place = field.type.fields.findIndex((member) => member.name === name);
	const member = field.type.fields[place];
	const inner = node.fields[place];
	return member === undefined || inner === undefined
		? undefined
		: { field: member, node: inner };
}

function columnStats(
	{ type, file, convert }: Found,
	chunk: ChunkMetadata,
	statistics: Statistics,
	ordered: boolean,
): ColumnStats {
	const { nulls } = statistics;
	const counted = nulls !== undefined && nulls >= 0 && nulls <= chunk.entries;
	const floating = type === "float" || type === "double";
	const stats = {
		...(counted ? { nullCount: nulls } : {}),
		nan: floating && isFloat(file.element) && statistics.nans !== 0,
	};
	const unknown = { ...stats, minExact: false, maxExact: false };
	// INT96 has no order that writers agree on.
	if (chunk.type === "INT96") return unknown;
	const old = !ordered && signed(file.element);
	const bytes = (side: "min" | "max"): Uint8Array | undefined =>
		ordered ? statistics[`${side}Value`] : old ? statistics[side] : undefined;
	const value = (side: "min" | "max"): Value | undefined => {
		const plain = bytes(side);
		if (plain === undefined) return undefined;
		return boundOf(plain, side, type, file.element, convert);
	};
	const min = value("min");
	const max = value("max");
	if (Number.isNaN(min) || Number.isNaN(max)) return unknown;
	// Bytes may be cut without a word of it; other values never are.
	const whole = chunk.type !== "BYTE_ARRAY";
	return {
		...stats,
		...(min === undefined ? {} : { min }),
		...(max === undefined ? {} : { max }),
		minExact: min !== undefined && (statistics.minExact ?? whole),
		maxExact: max !== undefined && (statistics.maxExact ?? whole),
	};
}

function isFloat({ type }: SchemaElement): boolean {
	return type === "FLOAT" || type === "DOUBLE";
}

/** Whether the deprecated bounds, always compared as signed, are in the order of the type. */
function signed({ type, logical, converted }: SchemaElement): boolean {
	if (logical?.type === "INTEGER" && !logical.signed) return false;
	if (converted?.startsWith("UINT_")) return false;
	return type !== "BYTE_ARRAY" && type !== "FIXED_LEN_BYTE_ARRAY";
}

/** A bound as a value of `type`; `undefined` where it isn't one. */
function boundOf(
	bytes: Uint8Array,
	side: "min" | "max",
	type: DataType,
	element: SchemaElement,
	convert: Conversion,
): Value | undefined {
	let plain = bytes;
	if (type === "string") {
		const cut = textBound(bytes, side);
		if (cut === undefined) return undefined;
		plain = cut;
	}
	try {
		const vector = convert(rawOf(plain, element));
		const value = valueAt(vector, type, 0);
		// A zero bound has to hold both zeros (parquet.thrift, "ColumnOrder").
		return value === 0 ? (side === "min" ? -0 : 0) : value;
	} catch (error) {
		if (error instanceof ParquetError) return undefined;
		throw error;
	}
}

function rawOf(plain: Uint8Array, element: SchemaElement): RawValues {
	const { type = "BYTE_ARRAY", typeLength = 0 } = element;
	if (type === "BYTE_ARRAY")
		return {
			kind: "bytes",
			length: 1,
			validity: undefined,
			offsets: Int32Array.of(0, plain.length),
			data: plain,
		};
	return decodeValues("PLAIN", type, typeLength, plain, 1);
}

/** Text bounds may be cut within a character: a shorter one is still below, but not above. */
function textBound(
	bytes: Uint8Array,
	side: "min" | "max",
): Uint8Array | undefined {
	if (isUtf8(bytes)) return bytes;
	if (side === "max") return undefined;
	let end = bytes.length;
	while (end > 0 && ((bytes[end - 1] as number) & 0xc0) === 0x80) end--;
	const cut = bytes.subarray(0, Math.max(0, end - 1));
	return isUtf8(cut) ? cut : undefined;
}

function isUtf8(bytes: Uint8Array): boolean {
	try {
		utf8.decode(bytes);
		return true;
	} catch {
		return false;
	}
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

async function readBloom(
	file: RandomAccess,
	offset: number,
	length: number | undefined,
): Promise<ReturnType<typeof bloomOf> | undefined> {
	const end = Math.min(file.size, offset + (length ?? BLOOM_HEADER_BYTES));
	if (!(offset >= 0 && offset < end))
		throw new ParquetError(
			"PARQUET_INVALID",
			`a Bloom filter at ${offset} is outside of the ${file.size} bytes; the file is damaged`,
		);
	let bytes = await readRange(file, offset, end);
	const header = readBloomHeader(bytes);
	if (header === undefined) return undefined;
	const { start, size } = header;
	if (offset + start + size > file.size)
		throw new ParquetError(
			"PARQUET_INVALID",
			`a Bloom filter of ${size} bytes ends after the file; the file is damaged`,
		);
	if (start + size > bytes.length)
		bytes = await readRange(file, offset, offset + start + size);
	return bloomOf(bytes.subarray(start, start + size));
}
