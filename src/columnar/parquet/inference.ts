import type { DataType, StructField, StructType } from "../types.ts";
import { array, field, struct } from "../types.ts";
import { meaningOf } from "./conversion.ts";
import type { SchemaElement } from "./metadata.ts";
import type { FileNode } from "./projection.ts";
import { fileTree, listItem } from "./projection.ts";
import type { RandomAccess } from "./random-access.ts";
import { readFooter } from "./random-access.ts";

/**
 * The schema of a file whose table doesn't say it: structs, and what they hold of plain types. Lists,
 * maps and leaves of other types are left out.
 * @throws ParquetError when the footer is damaged
 */
export async function inferSchema(file: RandomAccess): Promise<StructType> {
	return membersOf(fileTree((await readFooter(file)).schema), plainGroup);
}

/** A file's schema as far as Delta has types for it. */
export interface FileContent {
	readonly schema: StructType;
	/** Fields without a counterpart in Delta. */
	readonly unknown: readonly string[];
}

/**
 * The whole schema of a file, lists and maps included.
 * @throws ParquetError when the footer is damaged
 */
export async function inferContent(file: RandomAccess): Promise<FileContent> {
	const unknown: string[] = [];
	const root = fileTree((await readFooter(file)).schema);
	const schema = membersOf(root, anyGroup, (path) =>
		unknown.push(path.join(".")),
	);
	return { schema, unknown };
}

type GroupType = (node: FileNode) => DataType | undefined;

function membersOf(
	node: FileNode,
	groupType: GroupType,
	onUnknown: (path: readonly string[]) => void = () => {},
): StructType {
	return struct(
		...node.children.flatMap((child): StructField[] => {
			const { element } = child;
			const type =
				element.repetition === "REPEATED"
					? undefined
					: element.type === undefined
						? groupType(child)
						: leafType(element);
			if (type === undefined) onUnknown(child.path);
			return type === undefined ? [] : [field(element.name, type)];
		}),
	);
}

/** Lists, maps and variants are annotated. */
function plainGroup(node: FileNode): DataType | undefined {
	const { converted, logical } = node.element;
	return converted === undefined && logical === undefined
		? membersOf(node, plainGroup)
		: undefined;
}

/** One that holds anything without a counterpart has none itself: a part of it would pass for the whole. */
function anyGroup(node: FileNode): DataType | undefined {
	const { converted, logical } = node.element;
	const other = logical?.type === "OTHER" ? logical.name : undefined;
	if (converted === "LIST" || other === "LIST") {
		const element = itemOf(node);
		return element === undefined ? undefined : array(element);
	}
	if (converted === "MAP" || converted === "MAP_KEY_VALUE" || other === "MAP") {
		const [key, value] = node.children[0]?.children ?? [];
		const keyType = key && anyType(key);
		const valueType = value && anyType(value);
		return keyType === undefined || valueType === undefined
			? undefined
			: { type: "map", keyType, valueType, valueContainsNull: true };
	}
	if (converted !== undefined || logical !== undefined) return undefined;
	let whole = true;
	const members = membersOf(node, anyGroup, () => {
		whole = false;
	});
	return whole && members.fields.length > 0 ? members : undefined;
}

function anyType(node: FileNode): DataType | undefined {
	return node.element.type === undefined
		? anyGroup(node)
		: leafType(node.element);
}

/** The element of a list (LogicalTypes.md, "Backward-compatibility rules"). */
function itemOf(list: FileNode): DataType | undefined {
	const [repeated] = list.children;
	if (list.children.length !== 1 || repeated?.element.repetition !== "REPEATED")
		return undefined;
	const item = listItem(list, repeated);
	if (item !== repeated) return anyType(item);
	const element = { ...repeated.element, repetition: "REQUIRED" as const };
	return anyType({ ...repeated, element });
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
