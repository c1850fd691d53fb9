import { field, type StructField } from "../columnar/types.ts";

/** The columns that `append` adds to each change, after the source's own. */
export const METADATA_COLUMNS: readonly StructField[] = [
	field("_cdc_operation", "string"),
	field("_cdc_timestamp", "timestamp"),
	field("_kafka_topic", "string"),
	field("_kafka_partition", "integer"),
	field("_kafka_offset", "long"),
	field("_ingestion_timestamp", "timestamp"),
	field("_ingestion_date", "date"),
];

/** JSON of what did not fit the columns of a row; a table gets it when it is first needed. */
export const RESCUED_DATA = field("_rescued_data", "string");

/** With soft deletes: whether the source has deleted the row. */
export const DELETED = field("_deleted", "boolean");

/** Names that a source field can't have, in lower case. */
export const RESERVED: ReadonlySet<string> = new Set(
	[...METADATA_COLUMNS, RESCUED_DATA, DELETED].map(({ name }) => name),
);
