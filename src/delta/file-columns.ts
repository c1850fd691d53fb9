import type { FetchedRowGroup } from "../columnar/parquet/read.ts";
import { field, type StructType, struct } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type {
	BytesVector,
	I64Vector,
	MapVector,
	Row,
	StructVector,
	Vector,
} from "../columnar/vector.ts";
import type {
	AddFile,
	DeletionVectorDescriptor,
	RemoveFile,
} from "./actions.ts";
import { FILE_ACTIONS, part } from "./checkpoint-schema.ts";
import { fileKey } from "./file-key.ts";
import type { KeyedMap } from "./keyed-map.ts";
import { statsRowText } from "./stats-struct.ts";

/*
 * The file actions of a checkpoint, kept as the columns that they were read from: a table of a
 * million files costs a few typed arrays, and an `AddFile` is made when it is asked for. Statistics,
 * most of a checkpoint's bytes, stay compressed until then.
 */

const KEY = ["path", "deletionVector"];
const STATS = ["stats"];
export const PARSED_STATS = "stats_parsed";
const detailOf = (name: "add" | "remove"): string[] =>
	namesOf(name).filter((one) => !KEY.includes(one) && !STATS.includes(one));

function namesOf(name: "add" | "remove"): string[] {
	const found = FILE_ACTIONS.fields.find((one) => one.name === name)?.type;
	return typeof found === "object" && found.type === "struct"
		? found.fields.map((one) => one.name)
		: [];
}

/** Where a file has no statistics in struct form. */
const NO_STATS = struct(field("numRecords", "long"));

/**
 * The views of the two columns in the order in which `fetchRowGroups` has to fetch them; `parsed` is
 * the type of `add.stats_parsed` in the file.
 */
export const fileViews = (
	parsed: StructType = NO_STATS,
): StructType["fields"] => [
	part(FILE_ACTIONS, "add", KEY),
	part(FILE_ACTIONS, "add", detailOf("add")),
	part(FILE_ACTIONS, "add", STATS),
	part(FILE_ACTIONS, "remove", KEY),
	part(FILE_ACTIONS, "remove", detailOf("remove")),
	field("add", struct(field(PARSED_STATS, parsed))),
];
const ADD_KEY = 0;
const ADD_DETAIL = 1;
const ADD_STATS = 2;
const REMOVE_KEY = 3;
const REMOVE_DETAIL = 4;
const ADD_PARSED = 5;

export function addColumns(
	groups: readonly FetchedRowGroup[],
): FileColumns<AddFile> {
	return new FileColumns(groups, ADD_KEY, (group, row) => {
		const detail = group.view(ADD_DETAIL);
		const at = (name: string): Vector => detail.child(name);
		const stats =
			textAt(group.passing(ADD_STATS).child("stats"), row) ??
			parsedStats(group.passing(ADD_PARSED), row);
		const tags = mapAt(at("tags"), row);
		const deletionVector = group.deletionVector(row);
		const baseRowId = longAt(at("baseRowId"), row);
		const defaultRowCommitVersion = longAt(at("defaultRowCommitVersion"), row);
		const clusteringProvider = textAt(at("clusteringProvider"), row);
		return {
			path: group.path(row),
			partitionValues: mapAt(at("partitionValues"), row) ?? {},
			size: longAt(at("size"), row) ?? 0,
			modificationTime: longAt(at("modificationTime"), row) ?? 0,
			dataChange: false,
			...(stats === undefined ? {} : { stats }),
			...(tags === undefined ? {} : { tags: tags as Record<string, string> }),
			...(deletionVector === undefined ? {} : { deletionVector }),
			...(baseRowId === undefined ? {} : { baseRowId }),
			...(defaultRowCommitVersion === undefined
				? {}
				: { defaultRowCommitVersion }),
			...(clusteringProvider === undefined ? {} : { clusteringProvider }),
		};
	});
}

/** The text of statistics that the checkpoint has as a struct. */
function parsedStats(view: View, row: number): string | undefined {
	const vector = view.child(PARSED_STATS);
	const type = view.type.fields[0]?.type;
	if (!valid(vector, row) || typeof type !== "object" || type.type !== "struct")
		return undefined;
	return statsRowText(valueAt(vector, type, row) as Row, type);
}

export function removeColumns(
	groups: readonly FetchedRowGroup[],
): FileColumns<RemoveFile> {
	return new FileColumns(groups, REMOVE_KEY, (group, row) => {
		const detail = group.view(REMOVE_DETAIL);
		const at = (name: string): Vector => detail.child(name);
		const deletionTimestamp = longAt(at("deletionTimestamp"), row);
		const partitionValues = mapAt(at("partitionValues"), row);
		const size = longAt(at("size"), row);
		const deletionVector = group.deletionVector(row);
		const baseRowId = longAt(at("baseRowId"), row);
		const defaultRowCommitVersion = longAt(at("defaultRowCommitVersion"), row);
		return {
			path: group.path(row),
			dataChange: false,
			extendedFileMetadata: boolAt(at("extendedFileMetadata"), row),
			...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
			...(partitionValues === undefined ? {} : { partitionValues }),
			...(size === undefined ? {} : { size }),
			...(deletionVector === undefined ? {} : { deletionVector }),
			...(baseRowId === undefined ? {} : { baseRowId }),
			...(defaultRowCommitVersion === undefined
				? {}
				: { defaultRowCommitVersion }),
		};
	});
}

/** A decoded view. */
class View {
	readonly column: StructVector;
	readonly type: StructType;
	readonly #children: ReadonlyMap<string, Vector>;

	constructor(column: StructVector, type: StructType) {
		this.column = column;
		this.type = type;
		this.#children = new Map(
			column.children.map((vector, i) => [type.fields[i]?.name ?? "", vector]),
		);
	}

	child(name: string): Vector {
		const found = this.#children.get(name);
		if (found === undefined)
			throw new TypeError(`the view of the checkpoint has no ${name}`);
		return found;
	}
}

/** A row group's rows that hold one kind of action. */
class Group {
	readonly #fetched: FetchedRowGroup;
	readonly #views = new Map<number, View>();
	readonly #passing = new Map<number, WeakRef<View>>();
	readonly paths: BytesVector;
	readonly #vectors: StructVector;
	/** Positions in the row group. */
	readonly rows: Int32Array;

	constructor(fetched: FetchedRowGroup, key: number) {
		this.#fetched = fetched;
		const view = this.view(key);
		const { column } = view;
		this.paths = view.child("path") as BytesVector;
		this.#vectors = view.child("deletionVector") as StructVector;
		const rows = new Int32Array(column.length);
		let length = 0;
		for (let row = 0; row < column.length; row++)
			if (valid(column, row) && valid(this.paths, row)) rows[length++] = row;
		this.rows = rows.subarray(0, length);
	}

	/** A view that stays decoded. */
	view(place: number): View {
		const known = this.#views.get(place);
		if (known !== undefined) return known;
		const made = this.#decode(place);
		this.#views.set(place, made);
		return made;
	}

	/** A view that memory pressure may take back. */
	passing(place: number): View {
		const known = this.#passing.get(place)?.deref();
		if (known !== undefined) return known;
		const made = this.#decode(place);
		this.#passing.set(place, new WeakRef(made));
		return made;
	}

	#decode(place: number): View {
		const { schema, columns } = this.#fetched.decode([place]);
		const type = schema.fields[0]?.type;
		return new View(
			columns[0] as StructVector,
			typeof type === "object" && type.type === "struct" ? type : struct(),
		);
	}

	path(row: number): string {
		return textAt(this.paths, row) ?? "";
	}

	hasVector(row: number): boolean {
		return valid(this.#vectors, row);
	}

	deletionVector(row: number): DeletionVectorDescriptor | undefined {
		if (!this.hasVector(row)) return undefined;
		const [type, path, offset, size, cardinality] = this.#vectors.children;
		const at = offset === undefined ? undefined : intAt(offset, row);
		return {
			storageType: (textAt(type, row) ??
				"u") as DeletionVectorDescriptor["storageType"],
			pathOrInlineDv: textAt(path, row) ?? "",
			...(at === undefined ? {} : { offset: at }),
			sizeInBytes: intAt(size, row) ?? 0,
			cardinality: longAt(cardinality, row) ?? 0,
		};
	}
}

/** File actions by `fileKey`, made from columns when asked for. */
export class FileColumns<T extends AddFile | RemoveFile>
	implements KeyedMap<T>
{
	readonly #groups: readonly Group[];
	readonly #starts: readonly number[];
	readonly #make: (group: Group, row: number) => T;
	readonly size: number;
	#index: Int32Array | undefined;

	constructor(
		groups: readonly FetchedRowGroup[],
		key: number,
		make: (group: Group, row: number) => T,
	) {
		this.#groups = groups.map((group) => new Group(group, key));
		const starts: number[] = [];
		let size = 0;
		for (const { rows } of this.#groups) {
			starts.push(size);
			size += rows.length;
		}
		this.#starts = starts;
		this.size = size;
		this.#make = make;
	}

	get(key: string): T | undefined {
		const found = this.#find(key);
		return found === undefined ? undefined : this.#make(found.group, found.row);
	}

	has(key: string): boolean {
		return this.#find(key) !== undefined;
	}

	*keys(): IterableIterator<string> {
		for (const group of this.#groups)
			for (const row of group.rows) yield keyAt(group, row);
	}

	*values(): IterableIterator<T> {
		for (const group of this.#groups)
			for (const row of group.rows) yield this.#make(group, row);
	}

	*entries(): IterableIterator<[string, T]> {
		for (const group of this.#groups)
			for (const row of group.rows)
				yield [keyAt(group, row), this.#make(group, row)];
	}

	#find(key: string): { group: Group; row: number } | undefined {
		const index = this.#hashed();
		const mask = index.length - 1;
		for (
			let slot = hashOf(key) & mask;
			index[slot] !== 0;
			slot = (slot + 1) & mask
		) {
			const at = this.#at((index[slot] as number) - 1);
			if (keyAt(at.group, at.row) === key) return at;
		}
		return undefined;
	}

	#at(place: number): { group: Group; row: number } {
		let i = this.#starts.length - 1;
		while (i > 0 && (this.#starts[i] as number) > place) i--;
		const group = this.#groups[i] as Group;
		return {
			group,
			row: group.rows[place - (this.#starts[i] as number)] as number,
		};
	}

	/** Open addressing: hash of the key to place + 1; made by the first look-up. */
	#hashed(): Int32Array {
		if (this.#index !== undefined) return this.#index;
		let capacity = 16;
		while (capacity < this.size * 2) capacity *= 2;
		const index = new Int32Array(capacity);
		let place = 0;
		for (const group of this.#groups)
			for (const row of group.rows) {
				const { data, offsets } = group.paths;
				const start = offsets[row] as number;
				const end = offsets[row + 1] as number;
				const hashed =
					group.hasVector(row) || !isPlain(data, start, end)
						? hashOf(keyAt(group, row))
						: hash(data, start, end);
				let slot = hashed & (capacity - 1);
				while (index[slot] !== 0) slot = (slot + 1) & (capacity - 1);
				index[slot] = ++place;
			}
		this.#index = index;
		return index;
	}
}

function keyAt(group: Group, row: number): string {
	const deletionVector = group.deletionVector(row);
	return fileKey({
		path: group.path(row),
		...(deletionVector === undefined ? {} : { deletionVector }),
	});
}

/** Whether a path is its own key: relative and without escapes. */
function isPlain(data: Uint8Array, start: number, end: number): boolean {
	if (data[start] === 0x2f) return false;
	for (let i = start; i < end; i++) {
		const byte = data[i];
		if (byte === 0x25 || byte === 0x3a) return false;
	}
	return true;
}

/** FNV-1a, 32 bits. */
function hash(data: Uint8Array, start: number, end: number): number {
	let value = 0x811c9dc5;
	for (let i = start; i < end; i++)
		value = Math.imul(value ^ (data[i] as number), 0x01000193);
	return (value ^ (value >>> 15)) >>> 0;
}

function hashOf(key: string): number {
	const bytes = Buffer.from(key);
	return hash(bytes, 0, bytes.length);
}

function valid(vector: Vector, row: number): boolean {
	return vector.validity === undefined || vector.validity[row] === 1;
}

function textAt(vector: Vector | undefined, row: number): string | undefined {
	if (vector?.kind !== "bytes" || !valid(vector, row)) return undefined;
	const { buffer, byteOffset, byteLength } = vector.data;
	return Buffer.from(buffer, byteOffset, byteLength).toString(
		"utf8",
		vector.offsets[row],
		vector.offsets[row + 1],
	);
}

function longAt(vector: Vector | undefined, row: number): number | undefined {
	return vector === undefined || !valid(vector, row)
		? undefined
		: Number((vector as I64Vector).values[row]);
}

function intAt(vector: Vector | undefined, row: number): number | undefined {
	return vector?.kind === "i32" && valid(vector, row)
		? vector.values[row]
		: undefined;
}

function boolAt(vector: Vector, row: number): boolean {
	return (
		vector.kind === "bool" && valid(vector, row) && vector.values[row] === 1
	);
}

function mapAt(
	vector: Vector,
	row: number,
): Record<string, string | null> | undefined {
	if (!valid(vector, row)) return undefined;
	const { offsets, keys, values } = vector as MapVector;
	const end = offsets[row + 1] as number;
	const map: Record<string, string | null> = {};
	for (let at = offsets[row] as number; at < end; at++) {
		const key = textAt(keys, at) ?? "";
		const value = textAt(values, at) ?? null;
		if (key !== "__proto__") map[key] = value;
		else
			Object.defineProperty(map, key, {
				value,
				enumerable: true,
				configurable: true,
				writable: true,
			});
	}
	return map;
}
