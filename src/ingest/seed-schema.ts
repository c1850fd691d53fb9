import { inferContent } from "../columnar/parquet/inference.ts";
import { type DataType, type StructType, struct } from "../columnar/types.ts";
import { commonType } from "../columnar/widening.ts";
import { messageOf } from "../errors.ts";
import type { ObjectStore } from "../storage/store.ts";
import { type FormatOptions, readBatches } from "./format.ts";
import type { SourceFile } from "./identity.ts";
import type { SchemaRules } from "./schema-rules.ts";
import { RESERVED } from "./source-columns.ts";

/** Files that a new table's columns are taken from. */
const SAMPLE_FILES = 8;
/** Records of each of them. */
const SAMPLE_ROWS = 1000;

/**
 * The columns that a new table begins with: given ones, and those of the first files, in types that hold
 * what all of them show. A file that can't be read gives none; it is told when it is loaded.
 */
export async function seedSchema(
	store: ObjectStore,
	files: readonly SourceFile[],
	options: {
		readonly format: FormatOptions;
		readonly rules: SchemaRules;
		readonly onUnreadable?: (file: SourceFile, message: string) => void;
	},
): Promise<StructType> {
	const { format, rules } = options;
	let seed = struct(...rules.columns);
	if (
		rules.columns.length > 0 &&
		(rules.contract !== "evolve" || rules.onNewColumn === "rescue")
	)
		return seed;
	const fixed = new Set(rules.columns.map(({ name }) => name.toLowerCase()));
	for (const file of files.slice(0, SAMPLE_FILES))
		try {
			const found = await schemaOf(store, file, format, rules);
			const merged = merge(seed, found, format.type === "csv");
			if (typeof merged === "string" || merged.type !== "struct") continue;
			seed = struct(
				...merged.fields.map((field) =>
					fixed.has(field.name.toLowerCase())
						? (rules.columns.find(({ name }) => name === field.name) ?? field)
						: { ...field, nullable: true },
				),
			);
		} catch (error) {
			options.onUnreadable?.(file, messageOf(error));
		}
	return seed;
}

async function schemaOf(
	store: ObjectStore,
	file: SourceFile,
	format: FormatOptions,
	rules: SchemaRules,
): Promise<StructType> {
	if (format.type === "parquet") {
		const { schema } = await inferContent({
			size: file.size,
			read: (start, end) => store.get(file.path, { range: { start, end } }),
		});
		return withoutReserved(schema);
	}
	for await (const batch of readBatches(
		store,
		{
			path: file.path,
			size: file.size,
			origin: { url: file.url, modifiedMs: 0, ingestedMs: 0 },
		},
		{
			format: { ...format, onBadRecord: "rescue" },
			schema: { ...rules, contract: "evolve" },
			tableSchema: undefined,
			batchBytes: 4 * 2 ** 20,
			batchRows: SAMPLE_ROWS,
		},
	))
		return withoutReserved(batch.schema);
	return struct();
}

function withoutReserved({ fields }: StructType): StructType {
	return struct(
		...fields.filter(({ name }) => !RESERVED.has(name.toLowerCase())),
	);
}

/** A type for the values of both; the first where there is none. */
function merge(a: DataType, b: DataType, texts: boolean): DataType {
	if (typeof a === "string" && typeof b === "string") {
		if (a === b) return a;
		const numbers: readonly DataType[] = ["long", "double"];
		if (numbers.includes(a) && numbers.includes(b)) return "double";
		return commonType(a, b) ?? (texts ? "string" : a);
	}
	if (typeof a === "string" || typeof b === "string") return a;
	if (a.type === "array" && b.type === "array")
		return { ...a, elementType: merge(a.elementType, b.elementType, texts) };
	if (a.type !== "struct" || b.type !== "struct") return a;
	const places = new Map(
		a.fields.map(({ name }, i) => [name.toLowerCase(), i]),
	);
	const fields = [...a.fields];
	for (const field of b.fields) {
		const at = places.get(field.name.toLowerCase());
		const known = at === undefined ? undefined : fields[at];
		if (at === undefined || known === undefined) {
			places.set(field.name.toLowerCase(), fields.length);
			fields.push(field);
		} else
			fields[at] = { ...known, type: merge(known.type, field.type, texts) };
	}
	return struct(...fields);
}
