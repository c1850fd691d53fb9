import { JsonReader } from "../change/json.ts";
import { JsonSyntaxError } from "../change/json-input.ts";
import { Rescued } from "../change/rescue.ts";
import { RowReader } from "../change/row.ts";
import type { TextReader } from "../change/row-options.ts";
import {
	Journal,
	newBuilder,
	type Slot,
	StructBuilder,
	typeOf,
} from "../change/slot.ts";
import { BytesBuilder } from "../columnar/bytes-builder.ts";
import {
	type StructField,
	type StructType,
	struct,
} from "../columnar/types.ts";
import type { Batch, Vector } from "../columnar/vector.ts";
import type { Cell } from "./csv.ts";
import { FileError } from "./errors.ts";
import {
	addsColumns,
	type SchemaRules,
	widensColumns,
} from "./schema-rules.ts";
import {
	RESCUED_DATA,
	RESERVED,
	type RowOrigin,
	SOURCE_COLUMNS,
	sourceVectors,
} from "./source-columns.ts";
import { setText, typeOfTexts } from "./text-value.ts";

/** The name that a record which can't be read has in `_rescued_data`. */
export const CORRUPT_RECORD = "_corrupt_record";

/**
 * Collects records of text formats as rows of one table. Types are those of the table and of given
 * columns, or what the values show; what does not fit is rescued, with its text.
 */
export class RowBatch {
	readonly #path: string;
	readonly #origin: RowOrigin;
	readonly #rules: SchemaRules;
	readonly #json = new JsonReader();
	readonly #journal = new Journal();
	readonly #rescued = new Rescued();
	readonly #root: StructBuilder;
	readonly #reader: RowReader;
	readonly #rescuedColumn = new BytesBuilder("string");
	#rescuedInTable: boolean;
	#firstRow = 1;
	rows = 0;
	/** Of the records, as they are in the file. */
	bytes = 0;

	constructor(options: {
		readonly path: string;
		readonly origin: RowOrigin;
		readonly rules: SchemaRules;
		/** Of the table as it is; `undefined` when there is none. */
		readonly tableSchema: StructType | undefined;
	}) {
		const { rules, tableSchema } = options;
		this.#path = options.path;
		this.#origin = options.origin;
		this.#rules = rules;
		const own = knownColumns(tableSchema, rules.columns);
		this.#rescuedInTable =
			tableSchema?.fields.some(({ name }) => name === RESCUED_DATA.name) ??
			false;
		this.#root = new StructBuilder(struct(...own), {
			settled: true,
			reserved: RESERVED,
		});
		this.#reader = new RowReader(this.#journal, this.#rescued, {
			newFields:
				addsColumns(rules) ||
				(tableSchema === undefined && rules.columns.length === 0),
			widens: widensColumns(rules),
			documents: rules.documents,
			maxDepth: rules.maxDepth,
			texts: textInJson,
		});
	}

	/**
	 * Adds a JSON object as a row.
	 * @throws FileError INGEST_FILE_INVALID when it is none, SCHEMA_FROZEN; the row is not added then
	 */
	addJson(record: Buffer): void {
		const learnt = this.#journal.length;
		try {
			this.#json.load(record);
			this.#reader.read(this.#json, this.#root, this.rows, { extended: false });
			if (this.#json.peek() !== 0 || this.#json.pos < this.#json.end)
				throw new JsonSyntaxError(
					`more behind the object, at byte ${this.#json.pos}`,
				);
			this.#complete(record.length);
		} catch (error) {
			this.#undo(learnt);
			if (!(error instanceof JsonSyntaxError || error instanceof SyntaxError))
				throw error;
			throw new FileError(
				"INGEST_FILE_INVALID",
				`${this.#path}: record ${this.nextRow} is no JSON object (${error.message}): ${shown(record)}; correct the file, or set format.onBadRecord: rescue`,
				{ cause: error },
			);
		} finally {
			this.#json.release();
		}
	}

	/** Adds a record that can't be read as a row of nothing but its text. */
	addCorrupt(record: Buffer): void {
		this.#root.begin(this.rows);
		this.#rescued.add(
			[CORRUPT_RECORD],
			JSON.stringify(record.toString("utf8").replace(/\r?\n$/, "")),
		);
		this.#complete(record.length);
	}

	/** Gives columns that have no type yet the one that their texts show. */
	inferTypes(
		names: readonly string[],
		samples: readonly (readonly Cell[])[],
		{ infer }: { readonly infer: boolean },
	): void {
		for (const [i, name] of names.entries()) {
			const texts = samples
				.map((cells) => cells[i] ?? null)
				.filter((cell) => cell !== null);
			if (
				texts.length === 0 ||
				!this.#reader.newFields ||
				!this.#root.allows(name)
			)
				continue;
			const slot = this.#root.index.named(name) ?? this.#root.add(name);
			if (slot.builder !== undefined) continue;
			const type = infer ? typeOfTexts(texts) : "string";
			slot.assign(newBuilder(type, { settled: false }));
		}
	}

	/** Adds the cells of a line as a row. @throws FileError SCHEMA_FROZEN */
	addCells(
		names: readonly string[],
		cells: readonly Cell[],
		bytes: number,
	): void {
		const learnt = this.#journal.length;
		const row = this.rows;
		this.#root.begin(row);
		for (let i = 0; i < cells.length; i++) {
			const cell = cells[i] ?? null;
			if (cell === null) continue;
			const name = names[i] ?? `_c${i}`;
			const slot = i < names.length ? this.#slotFor(name) : undefined;
			if (slot !== undefined && setText(this.#reader, slot, row, cell))
				continue;
			if (slot?.presence !== undefined && slot.presence.length > row)
				slot.builder?.truncate(row);
			this.#rescued.add([name], JSON.stringify(cell));
		}
		try {
			this.#complete(bytes);
		} catch (error) {
			this.#undo(learnt);
			throw error;
		}
	}

	/** The number of the record that would be added next. */
	get nextRow(): number {
		return this.#firstRow + this.rows;
	}

	/** Hands over the rows so far; what was learnt of types stays. */
	finish(): Batch {
		const length = this.rows;
		const fields: StructField[] = [];
		const columns: Vector[] = [];
		const push = (column: StructField, vector: Vector): void => {
			fields.push(column);
			columns.push(vector);
		};
		const type = typeOf(this.#root);
		const root = this.#root.finish(length);
		if (root.kind === "struct" && typeof type === "object")
			for (const [i, column] of (type as StructType).fields.entries())
				push(column, root.children[i] as Vector);
		this.#journal.clear();
		this.#reader.newFields = addsColumns(this.#rules);
		const vectors = sourceVectors(this.#origin, this.#firstRow, length);
		for (const [i, vector] of vectors.entries())
			push(SOURCE_COLUMNS[i] as StructField, vector);
		if (this.#rescuedColumn.presence.count > 0) this.#rescuedInTable = true;
		const rescued = this.#rescuedColumn.finish(length);
		if (this.#rescuedInTable) push(RESCUED_DATA, rescued);
		this.#firstRow += length;
		this.rows = 0;
		this.bytes = 0;
		return { schema: struct(...fields), length, columns };
	}

	#slotFor(name: string): Slot | undefined {
		const slot = this.#root.index.named(name);
		if (slot?.builder !== undefined) return slot;
		// A column that had no value in the sample.
		if (!this.#reader.newFields || !this.#root.allows(name)) return undefined;
		const fresh = slot ?? this.#root.add(name);
		this.#journal.assign(fresh, newBuilder("string", { settled: false }));
		return fresh;
	}

	#complete(bytes: number): void {
		if (this.#rescued.length > 0) {
			if (this.#rules.contract === "freeze")
				throw new FileError(
					"SCHEMA_FROZEN",
					`${this.#path}: record ${this.nextRow} has values that the table has no place for, and its schema is frozen: ${this.#rescued.json().slice(0, 200)}; alter the table, or use another contract`,
				);
			this.#rescuedColumn.setText(this.rows, this.#rescued.json());
			this.#rescued.truncate(0);
		}
		this.rows++;
		this.bytes += bytes;
	}

	/** Takes back the row that was begun last. */
	#undo(learnt: number): void {
		this.#rescued.truncate(0);
		this.#journal.undo(learnt);
		this.#root.truncate(this.rows);
		this.#rescuedColumn.truncate(this.rows);
	}
}

/** The columns that values are read for: the table's and those that are given, without our own. */
export function knownColumns(
	tableSchema: StructType | undefined,
	given: readonly StructField[],
): StructField[] {
	const own = (tableSchema?.fields ?? []).filter(
		({ name }) => !RESERVED.has(name.toLowerCase()),
	);
	const names = new Set(own.map(({ name }) => name.toLowerCase()));
	return [
		...own,
		...given.filter(({ name }) => !names.has(name.toLowerCase())),
	];
}

/** JSON has numbers and booleans of its own; a text is another value, but for what JSON has no form of. */
const textInJson: TextReader = (reading, slot, row, text) => {
	const type = slot.builder?.type;
	const asText =
		type === "date" ||
		type === "timestamp" ||
		type === "timestamp_ntz" ||
		type === "binary" ||
		slot.decimal !== undefined;
	return asText && setText(reading, slot, row, text);
};

function shown(record: Buffer): string {
	return JSON.stringify(record.subarray(0, 80).toString("utf8").trim());
}
