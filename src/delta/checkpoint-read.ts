import { parquetReadObjects } from "hyparquet";
import { decompress } from "../columnar/parquet/compression.ts";
import type { Action } from "./actions.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";

const ACTIONS = [
	"add",
	"remove",
	"metaData",
	"protocol",
	"txn",
	"domainMetadata",
];

const codec = (name: string) => (page: Uint8Array, size: number) =>
	decompress(name, page, size);
const compressors = {
	GZIP: codec("GZIP"),
	ZSTD: codec("ZSTD"),
	BROTLI: codec("BROTLI"),
	LZ4: codec("LZ4"),
	LZ4_RAW: codec("LZ4_RAW"),
	SNAPPY: codec("SNAPPY"),
};

/**
 * Actions of one classic checkpoint file (PROTOCOL.md, "V1 Spec"): a row per action, a column per
 * kind of action.
 * @throws DeltaError DELTA_LOG_INVALID when it is no checkpoint
 */
export async function readCheckpoint(
	engine: Engine,
	path: string,
): Promise<Action[]> {
	const bytes = await engine.store.get(path);
	let rows: Record<string, unknown>[];
	try {
		rows = await parquetReadObjects({
			file: bytes.slice().buffer,
			compressors,
		});
	} catch (cause) {
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`${engine.store.url}: ${path} is not a readable checkpoint`,
			{ cause },
		);
	}
	const actions: Action[] = [];
	for (const row of rows)
		for (const name of ACTIONS) {
			const value = row[name];
			if (value === null || value === undefined) continue;
			const action = plain(value);
			if (name === "add" && typeof action === "object" && action !== null)
				Object.assign(action, { dataChange: false });
			actions.push({ [name]: action } as unknown as Action);
		}
	return actions;
}

/** int64 as numbers, nulls left out: an action as its JSON form would have it. */
function plain(value: unknown): unknown {
	if (typeof value === "bigint") return Number(value);
	if (Array.isArray(value)) return value.map(plain);
	if (typeof value !== "object" || value === null) return value;
	const result: Record<string, unknown> = {};
	for (const [name, inner] of Object.entries(value)) {
		if (name === "stats_parsed" || name === "partitionValues_parsed") continue;
		if (name === "partitionValues" && inner !== null)
			result[name] = inner; // A null in it is a value.
		else if (inner !== null && inner !== undefined) result[name] = plain(inner);
	}
	return result;
}
