import { vectorOf } from "../columnar/literal.ts";
import { encodeParquet } from "../columnar/parquet/encode.ts";
import {
	array,
	field,
	type MapType,
	type StructType,
	struct,
} from "../columnar/types.ts";
import type { Batch, Row, Value } from "../columnar/vector.ts";
import type { Engine } from "./engine.ts";
import { checkpointPath, LAST_CHECKPOINT } from "./log.ts";
import type { Snapshot } from "./snapshot.ts";

const STRINGS: MapType = {
	type: "map",
	keyType: "string",
	valueType: "string",
	valueContainsNull: true,
};
const DELETION_VECTOR = struct(
	field("storageType", "string"),
	field("pathOrInlineDv", "string"),
	field("offset", "integer"),
	field("sizeInBytes", "integer"),
	field("cardinality", "long"),
);

/** A row per action, a column per kind of action (PROTOCOL.md, "V1 Spec"). */
const SCHEMA: StructType = struct(
	field(
		"txn",
		struct(
			field("appId", "string"),
			field("version", "long"),
			field("lastUpdated", "long"),
		),
	),
	field(
		"add",
		struct(
			field("path", "string"),
			field("partitionValues", STRINGS),
			field("size", "long"),
			field("modificationTime", "long"),
			field("dataChange", "boolean"),
			field("stats", "string"),
			field("tags", STRINGS),
			field("deletionVector", DELETION_VECTOR),
			field("baseRowId", "long"),
			field("defaultRowCommitVersion", "long"),
			field("clusteringProvider", "string"),
		),
	),
	field(
		"remove",
		struct(
			field("path", "string"),
			field("deletionTimestamp", "long"),
			field("dataChange", "boolean"),
			field("extendedFileMetadata", "boolean"),
			field("partitionValues", STRINGS),
			field("size", "long"),
			field("deletionVector", DELETION_VECTOR),
			field("baseRowId", "long"),
			field("defaultRowCommitVersion", "long"),
		),
	),
	field(
		"metaData",
		struct(
			field("id", "string"),
			field("name", "string"),
			field("description", "string"),
			field(
				"format",
				struct(field("provider", "string"), field("options", STRINGS)),
			),
			field("schemaString", "string"),
			field("partitionColumns", array("string")),
			field("configuration", STRINGS),
			field("createdTime", "long"),
		),
	),
	field(
		"protocol",
		struct(
			field("minReaderVersion", "integer"),
			field("minWriterVersion", "integer"),
			field("readerFeatures", array("string")),
			field("writerFeatures", array("string")),
		),
	),
	field(
		"domainMetadata",
		struct(
			field("domain", "string"),
			field("configuration", "string"),
			field("removed", "boolean"),
		),
	),
);

const WEEK_MS = 7 * 86_400_000;

/**
 * Writes the classic checkpoint of a published version, then the hint to it. Tombstones stay until
 * the table's retention has passed; removed domains are left out.
 */
export async function writeCheckpoint(
	engine: Engine,
	snapshot: Snapshot,
): Promise<void> {
	const keepAfter =
		engine.now() -
		(intervalMs(
			snapshot.metadata.configuration["delta.deletedFileRetentionDuration"],
		) ?? WEEK_MS);
	const rows: Row[] = [
		{ protocol: value(snapshot.protocol) },
		{ metaData: value(snapshot.metadata) },
		...[...snapshot.txns.values()].map((txn) => ({ txn: value(txn) })),
		...[...snapshot.domains.values()]
			.filter((domain) => !domain.removed)
			.map((domainMetadata) => ({ domainMetadata: value(domainMetadata) })),
		...[...snapshot.files.values()].map((add) => ({
			add: value({ ...add, dataChange: false }),
		})),
		...[...snapshot.tombstones.values()]
			.filter((remove) => (remove.deletionTimestamp ?? 0) > keepAfter)
			.map((remove) => ({ remove: value({ ...remove, dataChange: false }) })),
	];
	const batch: Batch = {
		schema: SCHEMA,
		length: rows.length,
		columns: SCHEMA.fields.map((column) =>
			vectorOf(
				column.type,
				rows.map((row) => row[column.name] ?? null),
			),
		),
	};
	const { bytes } = encodeParquet([batch], { compression: "snappy" });
	await engine.store.put(checkpointPath(snapshot.version), bytes);
	await engine.store.put(
		LAST_CHECKPOINT,
		new TextEncoder().encode(
			JSON.stringify({
				version: snapshot.version,
				size: rows.length,
				sizeInBytes: bytes.length,
				numOfAddFiles: snapshot.files.size,
			}),
		),
	);
}

const MAPS = new Set(["partitionValues", "tags", "options", "configuration"]);

/** An action's JSON form as a `Value`: objects under the names of maps become maps. */
function value(json: unknown, name = ""): Value {
	if (json === null || json === undefined) return null;
	if (Array.isArray(json)) return json.map((item) => value(item));
	if (typeof json === "object") {
		// `configuration` of a domain is text; only an object is a map.
		if (MAPS.has(name))
			return new Map(
				Object.entries(json).map(([key, inner]) => [key, value(inner)]),
			);
		return Object.fromEntries(
			Object.entries(json).map(([key, inner]) => [key, value(inner, key)]),
		);
	}
	return json as string | number | boolean;
}

/** Milliseconds of an interval such as `interval 1 week`; `undefined` when it is none. */
export function intervalMs(text: string | undefined): number | undefined {
	const units: Readonly<Record<string, number>> = {
		millisecond: 1,
		second: 1000,
		minute: 60_000,
		hour: 3_600_000,
		day: 86_400_000,
		week: WEEK_MS,
	};
	let total: number | undefined;
	for (const [, count, unit] of (text ?? "").matchAll(
		/(\d+)\s+([a-z]+?)s?\b/gi,
	)) {
		const factor = units[(unit ?? "").toLowerCase()];
		if (factor === undefined) return undefined;
		total = (total ?? 0) + Number(count) * factor;
	}
	return total;
}
