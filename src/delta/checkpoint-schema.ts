import {
	array,
	field,
	type MapType,
	type StructType,
	struct,
} from "../columnar/types.ts";

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

const ADD = struct(
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
);
const REMOVE = struct(
	field("path", "string"),
	field("deletionTimestamp", "long"),
	field("dataChange", "boolean"),
	field("extendedFileMetadata", "boolean"),
	field("partitionValues", STRINGS),
	field("size", "long"),
	field("deletionVector", DELETION_VECTOR),
	field("baseRowId", "long"),
	field("defaultRowCommitVersion", "long"),
);
const TXN = struct(
	field("appId", "string"),
	field("version", "long"),
	field("lastUpdated", "long"),
);
const METADATA = struct(
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
);
const PROTOCOL = struct(
	field("minReaderVersion", "integer"),
	field("minWriterVersion", "integer"),
	field("readerFeatures", array("string")),
	field("writerFeatures", array("string")),
);
const DOMAIN = struct(
	field("domain", "string"),
	field("configuration", "string"),
	field("removed", "boolean"),
);
const SIDECAR = struct(
	field("path", "string"),
	field("sizeInBytes", "long"),
	field("modificationTime", "long"),
	field("tags", STRINGS),
);
const CHECKPOINT_METADATA = struct(
	field("version", "long"),
	field("tags", STRINGS),
);

/** `add` and `remove`: all that a sidecar holds (PROTOCOL.md, "Sidecar Files"). */
export const FILE_ACTIONS: StructType = struct(
	field("add", ADD),
	field("remove", REMOVE),
);

/** The other actions of a classic checkpoint (PROTOCOL.md, "V1 Spec"). */
export const TABLE_ACTIONS: StructType = struct(
	field("txn", TXN),
	field("metaData", METADATA),
	field("protocol", PROTOCOL),
	field("domainMetadata", DOMAIN),
);

/** What a V2 checkpoint has beyond that (PROTOCOL.md, "V2 Spec"). */
export const V2_ACTIONS: StructType = struct(
	field("checkpointMetadata", CHECKPOINT_METADATA),
	field("sidecar", SIDECAR),
);

export function joined(...schemas: readonly StructType[]): StructType {
	return struct(...schemas.flatMap((schema) => schema.fields));
}

/** The struct under `name` with only these fields. */
export function part(
	schema: StructType,
	name: string,
	names: readonly string[],
): StructType["fields"][number] {
	const found = schema.fields.find((one) => one.name === name);
	const type = found?.type;
	if (type === undefined || typeof type === "string" || type.type !== "struct")
		throw new TypeError(`${name} is no struct of the checkpoint's schema`);
	return field(
		name,
		struct(...type.fields.filter((one) => names.includes(one.name))),
	);
}
