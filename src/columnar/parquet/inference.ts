import type { DataType, StructField, StructType } from "../types.ts";
import { field, struct } from "../types.ts";
import { meaningOf } from "./conversion.ts";
import type { SchemaElement } from "./metadata.ts";
import type { FileNode } from "./projection.ts";
import { fileTree } from "./projection.ts";
import type { RandomAccess } from "./random-access.ts";
import { readFooter } from "./random-access.ts";

/**
 * The schema of a file whose table doesn't say it: structs, and what they hold of plain types. Lists,
 * maps and leaves of other types are left out.
 * @throws ParquetError when the footer is damaged
 */
export async function inferSchema(file: RandomAccess): Promise<StructType> {
	return membersOf(fileTree((await readFooter(file)).schema));
}

function membersOf(node: FileNode): StructType {
	return struct(
		...node.children.flatMap((child): StructField[] => {
			const { element } = child;
			if (element.repetition === "REPEATED") return [];
			const type =
				element.type === undefined ? groupType(child) : leafType(element);
			return type === undefined ? [] : [field(element.name, type)];
		}),
	);
}

/** Lists, maps and variants are annotated. */
function groupType(node: FileNode): DataType | undefined {
	const { converted, logical } = node.element;
	return converted === undefined && logical === undefined
		? membersOf(node)
		: undefined;
}

function leafType(element: SchemaElement): DataType | undefined {
	const meaning = meaningOf(element);
	switch (meaning.kind) {
		case "boolean":
		case "long":
		case "float":
		case "double":
		case "date":
			return meaning.kind;
		case "int":
			return "integer";
		case "int96":
			return "timestamp";
		case "timestamp":
			return meaning.utc ? "timestamp" : "timestamp_ntz";
		case "decimal":
			return `decimal(${element.precision ?? 38},${meaning.scale})`;
		case "bytes":
			return element.converted === "UTF8" ||
				(element.logical?.type === "OTHER" && element.logical.name === "STRING")
				? "string"
				: "binary";
		default:
			return undefined;
	}
}
