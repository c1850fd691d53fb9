import type { DataType, StructField, StructType } from "../types.ts";
import { ParquetError } from "./errors.ts";
import type { SchemaElement } from "./metadata.ts";
import { VARIANT_FIELDS } from "./schema.ts";

/** A file's schema element in its tree. */
export interface FileNode {
	readonly element: SchemaElement;
	readonly path: readonly string[];
	/** Definition level at which this field is there. */
	readonly definition: number;
	/** Repeated fields on the path, this one included. */
	readonly repetition: number;
	readonly children: readonly FileNode[];
	/** Position among the column chunks; of a group, of its first leaf. */
	readonly column: number;
}

/**
 * How a wanted field comes out of a file. `depth` counts the lists above, `slot` is the definition
 * level at which the innermost of them has an element: an entry of a leaf makes a slot here when its
 * repetition level is at most `depth` and its definition level at least `slot`. `definition` is the
 * level at which the field itself isn't null; `anchor` the leaf whose levels tell.
 */
export type ReadNode =
	| { readonly kind: "missing"; readonly type: DataType }
	| (Placed & {
			readonly kind: "leaf";
			readonly type: DataType;
			readonly file: FileNode;
	  })
	| (Placed & {
			readonly kind: "struct";
			readonly fields: readonly ReadNode[];
	  })
	| (Placed & {
			readonly kind: "list";
			readonly element: ReadNode;
			readonly inner: number;
	  })
	| (Placed & {
			readonly kind: "map";
			readonly key: ReadNode;
			readonly value: ReadNode;
			readonly inner: number;
	  });

interface Placed {
	readonly anchor: number;
	readonly depth: number;
	readonly slot: number;
	readonly definition: number;
	readonly optional: boolean;
}

/** Levels have a byte each, and the functions that walk the tree a stack. */
const MAX_DEPTH = 100;

/**
 * The tree of a footer's schema elements.
 * @throws ParquetError when the counts of children don't fit the elements
 */
export function fileTree(elements: readonly SchemaElement[]): FileNode {
	let next = 0;
	let column = 0;
	const visit = (
		path: readonly string[],
		definition: number,
		repetition: number,
	): FileNode => {
		const element = elements[next++];
		if (element === undefined)
			throw new ParquetError(
				"PARQUET_INVALID",
				"the footer's schema has fewer elements than it announces; the file is damaged",
			);
		if (path.length > MAX_DEPTH)
			throw new ParquetError(
				"PARQUET_UNSUPPORTED",
				`the file's schema is more than ${MAX_DEPTH} levels deep, at ${path.join(".").slice(0, 80)}; rewrite the file`,
			);
		const root = next === 1;
		const repeated = element.repetition === "REPEATED";
		const optional = element.repetition === "OPTIONAL";
		const own = root ? path : [...path, element.name];
		const def = definition + (!root && (repeated || optional) ? 1 : 0);
		const rep = repetition + (!root && repeated ? 1 : 0);
		const children: FileNode[] = [];
		const first = column;
		if (element.type === undefined) {
			for (let i = 0; i < (element.children ?? 0); i++)
				children.push(visit(own, def, rep));
		} else {
			column++;
		}
		return {
			element,
			path: own,
			definition: def,
			repetition: rep,
			children,
			column: first,
		};
	};
	return visit([], 0, 0);
}

/**
 * Finds a wanted schema in a file. Fields are matched by name, or with `fieldIds` by the id of
 * `delta.columnMapping.id` where they have one.
 *
 * @throws ParquetError when a field is there in another shape
 */
export function project(
	schema: StructType,
	root: FileNode,
	options: { fieldIds?: boolean } = {},
): readonly ReadNode[] {
	const find = (
		field: StructField,
		children: readonly FileNode[],
	): FileNode | undefined => {
		const id = options.fieldIds
			? field.metadata["delta.columnMapping.id"]
			: undefined;
		return typeof id === "number"
			? children.find(({ element }) => element.fieldId === id)
			: children.find(({ element }) => element.name === field.name);
	};

	function member(
		field: StructField,
		children: readonly FileNode[],
		depth: number,
		slot: number,
	): ReadNode {
		const node = find(field, children);
		return node === undefined || field.type === "void"
			? { kind: "missing", type: field.type }
			: visit(field.type, node, depth, slot);
	}

	function visit(
		type: DataType,
		node: FileNode,
		depth: number,
		slot: number,
	): ReadNode {
		const placed = {
			anchor: node.column,
			depth,
			slot,
			definition: node.definition,
			optional: node.element.repetition === "OPTIONAL",
		};
		const group = node.element.type === undefined;
		if (typeof type === "string" && type !== "variant") {
			if (group || node.repetition !== depth) throw mismatch(type, node);
			return { kind: "leaf", ...placed, type, file: node };
		}
		if (type !== "variant" && type.type === "array") {
			const { item, repeated } = listParts(node, depth, type);
			return {
				kind: "list",
				...placed,
				// A list without a group around it can't be null, only empty.
				definition: repeated === node ? slot : node.definition,
				inner: repeated.definition,
				element:
					item === repeated
						? asElement(type.elementType, item, depth + 1)
						: visit(type.elementType, item, depth + 1, repeated.definition),
			};
		}
		if (!group || node.repetition !== depth) throw mismatch(type, node);
		if (type === "variant" || type.type === "struct") {
			if (type === "variant" && node.children.length !== 2) {
				throw new ParquetError(
					"PARQUET_UNSUPPORTED",
					`the variant ${node.path.join(".")} is shredded, which can't be read yet; rewrite the file without shredding`,
				);
			}
			const wanted = type === "variant" ? VARIANT_FIELDS : type.fields;
			const fields = wanted.map((field) =>
				member(field, node.children, depth, slot),
			);
			return { kind: "struct", ...placed, fields };
		}
		const [entry] = node.children;
		const [key, value] = entry?.children ?? [];
		if (
			entry?.element.repetition !== "REPEATED" ||
			key === undefined ||
			value === undefined
		)
			throw mismatch(type, node);
		const inner = entry.definition;
		return {
			kind: "map",
			...placed,
			inner,
			key: visit(type.keyType, key, depth + 1, inner),
			value: visit(type.valueType, value, depth + 1, inner),
		};
	}

	/** The repeated field of a two-level list, which is the element itself and never null. */
	function asElement(type: DataType, node: FileNode, depth: number): ReadNode {
		const slot = node.definition;
		const element = { ...node.element, repetition: "REQUIRED" as const };
		return visit(type, { ...node, element }, depth, slot);
	}

	return schema.fields.map((field) => member(field, root.children, 0, 0));
}

/** Indexes of the column chunks that a node needs. */
export function columnsOf(node: ReadNode): number[] {
	switch (node.kind) {
		case "missing":
			return [];
		case "leaf":
			return [node.anchor];
		case "struct":
			return [node.anchor, ...node.fields.flatMap(columnsOf)];
		case "list":
			return [node.anchor, ...columnsOf(node.element)];
		case "map":
			return [node.anchor, ...columnsOf(node.key), ...columnsOf(node.value)];
	}
}

/** The repeated field of a list and its element (LogicalTypes.md, "Backward-compatibility rules"). */
function listParts(
	node: FileNode,
	depth: number,
	type: DataType,
): { repeated: FileNode; item: FileNode } {
	if (node.element.repetition === "REPEATED" && node.repetition === depth + 1)
		return { repeated: node, item: node };
	const [repeated] = node.children;
	if (
		node.children.length !== 1 ||
		repeated?.element.repetition !== "REPEATED" ||
		repeated.repetition !== depth + 1
	)
		throw mismatch(type, node);
	return { repeated, item: listItem(node, repeated) };
}

/** What the repeated field of a list has as element: its only child, or, in the older form, itself. */
export function listItem(list: FileNode, repeated: FileNode): FileNode {
	const [only] = repeated.children;
	const { name } = repeated.element;
	const twoLevels =
		only === undefined ||
		repeated.children.length > 1 ||
		only.element.repetition === "REPEATED" ||
		name === "array" ||
		name === `${list.element.name}_tuple`;
	return twoLevels ? repeated : only;
}

function mismatch(type: DataType, node: FileNode): ParquetError {
	const wanted = typeof type === "string" ? type : type.type;
	const found = node.element.type ?? "group";
	return new ParquetError(
		"PARQUET_UNSUPPORTED",
		`the field ${node.path.join(".")} is a ${found} (${node.element.repetition ?? "REQUIRED"}) in the file, which can't be read as ${wanted}; correct the schema`,
	);
}
