import type { FetchedRowGroup } from "../columnar/parquet/read.ts";
import { field, type StructType, struct } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { Row, Vector } from "../columnar/vector.ts";
import type { AddFile, RemoveFile } from "./actions.ts";
import { FILE_ACTIONS, part } from "./checkpoint-schema.ts";
import { FileColumns } from "./file-columns.ts";
import type { View } from "./file-group.ts";
import { statsRowText } from "./stats-struct.ts";
import { boolAt, longAt, mapAt, textAt, valid } from "./vector-cell.ts";

export const PARSED_STATS = "stats_parsed";

/**
 * The views of the two columns in the order in which `fetchRowGroups` has to fetch them; `parsed` is
 * the type of `add.stats_parsed` in the file.
 */
export function fileViews(parsed: StructType = NO_STATS): StructType["fields"] {
	return [
		part(FILE_ACTIONS, "add", KEY),
		part(FILE_ACTIONS, "add", detailOf("add")),
		part(FILE_ACTIONS, "add", STATS),
		part(FILE_ACTIONS, "remove", KEY),
		part(FILE_ACTIONS, "remove", detailOf("remove")),
		field("add", struct(field(PARSED_STATS, parsed))),
	];
}

const ADD_KEY = 0;
const ADD_DETAIL = 1;
const ADD_STATS = 2;
const REMOVE_KEY = 3;
const REMOVE_DETAIL = 4;
const ADD_PARSED = 5;

/** The files of a checkpoint. Statistics, most of its bytes, stay compressed until they are asked for. */
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

/** The tombstones of a checkpoint. */
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

/** The text of statistics that the checkpoint has as a struct. */
function parsedStats(view: View, row: number): string | undefined {
	const vector = view.child(PARSED_STATS);
	const type = view.type.fields[0]?.type;
	if (!valid(vector, row) || typeof type !== "object" || type.type !== "struct")
		return undefined;
	return statsRowText(valueAt(vector, type, row) as Row, type);
}

const KEY = ["path", "deletionVector"];
const STATS = ["stats"];
/** Where a file has no statistics in struct form. */
const NO_STATS = struct(field("numRecords", "long"));

/** Columns beside the key and the statistics. */
function detailOf(name: "add" | "remove"): string[] {
	return namesOf(name).filter(
		(one) => !KEY.includes(one) && !STATS.includes(one),
	);
}

function namesOf(name: "add" | "remove"): string[] {
	const found = FILE_ACTIONS.fields.find((one) => one.name === name)?.type;
	return typeof found === "object" && found.type === "struct"
		? found.fields.map((one) => one.name)
		: [];
}
