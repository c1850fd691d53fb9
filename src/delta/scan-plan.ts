import type { StructField, StructType } from "../columnar/types.ts";
import { type Bound, boundPartsOf } from "../expression/bound.ts";
import type { AddFile } from "./actions.ts";
import {
	type MappingMode,
	mappingMode,
	physicalName,
	physicalSchema,
} from "./column-mapping.ts";
import { DeltaError } from "./errors.ts";
import type { Snapshot } from "./state.ts";
import { checkTypeChanges } from "./type-widening.ts";

export interface ScanOptions {
	/** Top-level columns, in any order; the batches have them in the schema's. */
	readonly columns?: readonly string[];
	/** Instead of all files of the version. */
	readonly files?: Iterable<AddFile>;
	/** Rows for which this is true, and no others; bound to the version's schema. */
	readonly where?: Bound;
	/** Columns that the files have beside the table's, under the same names; they come last. */
	readonly fileColumns?: readonly StructField[];
}

/** What a scan needs of a version. */
export type ScannedTable = Pick<
	Snapshot,
	"url" | "protocol" | "metadata" | "schema"
> & { readonly files: { values(): Iterable<AddFile> } };

/** What a scan reads of each file, and what comes out. */
export interface ScanPlan {
	readonly mode: MappingMode;
	/** What comes out, under logical names. */
	readonly wanted: StructType;
	/** With what `where` needs beside it. */
	readonly needed: StructType;
	readonly where: Bound | undefined;
	/** What is read of a file, under physical names. */
	readonly stored: StructType;
	/** Per needed field: its place in `stored`, or the partition value's name. */
	readonly sources: readonly (number | string)[];
}

/**
 * @throws DeltaError DELTA_SCHEMA_INCOMPATIBLE for an unknown column, DELTA_UNSUPPORTED_READER for a
 * change of type that isn't known
 */
export function scanPlan(
	{ url, protocol, metadata, schema }: ScannedTable,
	{ columns, fileColumns = [], where }: ScanOptions,
): ScanPlan {
	const unknown = columns?.find(
		(name) => !schema.fields.some((field) => field.name === name),
	);
	if (unknown !== undefined)
		throw new DeltaError(
			"DELTA_SCHEMA_INCOMPATIBLE",
			`${url} has no column ${unknown}; it has ${schema.fields.map((field) => field.name).join(", ")}`,
		);
	checkTypeChanges(schema, url);
	const mode = mappingMode(protocol, metadata);
	const physical = physicalSchema(schema, mode);
	const stored: StructField[] = [];
	const sources: (number | string)[] = [];
	const isWanted = ({ name }: StructField): boolean =>
		columns?.includes(name) ?? true;
	const tested = where === undefined ? new Set() : columnsOf(where);
	const needed = schema.fields.filter((field, i) => {
		if (!isWanted(field) && !tested.has(field.name)) return false;
		const inFile = physical.fields[i];
		if (
			inFile === undefined ||
			metadata.partitionColumns.includes(field.name)
		) {
			sources.push(physicalName(field, mode));
		} else {
			sources.push(stored.length);
			stored.push(inFile);
		}
		return true;
	});
	for (const field of fileColumns) {
		sources.push(stored.length);
		stored.push(field);
	}
	return {
		mode,
		wanted: {
			type: "struct",
			fields: [...needed.filter(isWanted), ...fileColumns],
		},
		needed: { type: "struct", fields: [...needed, ...fileColumns] },
		where,
		stored: { type: "struct", fields: stored },
		sources,
	};
}

/** The top-level columns that an expression looks at. */
function columnsOf(bound: Bound): Set<string> {
	const found = new Set<string>();
	const visit = (part: Bound): void => {
		if (part.kind === "column") found.add(part.path[0] ?? "");
		boundPartsOf(part).forEach(visit);
	};
	visit(bound);
	return found;
}
