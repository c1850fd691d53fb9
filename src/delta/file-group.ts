import type { FetchedRowGroup } from "../columnar/parquet/read.ts";
import { type StructType, struct } from "../columnar/types.ts";
import type { BytesVector, StructVector, Vector } from "../columnar/vector.ts";
import type { DeletionVectorDescriptor } from "./actions.ts";
import { intAt, longAt, textAt, valid } from "./vector-cell.ts";

/**
 * The rows of a checkpoint's row group that hold one kind of file action. Its columns stay compressed until
 * they are asked for; those of the key are decoded from the beginning.
 */
export class FileGroup {
	readonly #fetched: FetchedRowGroup;
	readonly #views = new Map<number, View>();
	readonly #passing = new Map<number, WeakRef<View>>();
	readonly paths: BytesVector;
	readonly #vectors: StructVector;
	/** Positions in the row group. */
	readonly rows: Int32Array;

	constructor(fetched: FetchedRowGroup, key: number) {
		this.#fetched = fetched;
		const view = this.view(key);
		const { column } = view;
		this.paths = view.child("path") as BytesVector;
		this.#vectors = view.child("deletionVector") as StructVector;
		const rows = new Int32Array(column.length);
		let length = 0;
		for (let row = 0; row < column.length; row++)
			if (valid(column, row) && valid(this.paths, row)) rows[length++] = row;
		this.rows = rows.subarray(0, length);
	}

	/** A view that stays decoded. */
	view(place: number): View {
		const known = this.#views.get(place);
		if (known !== undefined) return known;
		const made = this.#decode(place);
		this.#views.set(place, made);
		return made;
	}

	/** A view that memory pressure may take back. */
	passing(place: number): View {
		const known = this.#passing.get(place)?.deref();
		if (known !== undefined) return known;
		const made = this.#decode(place);
		this.#passing.set(place, new WeakRef(made));
		return made;
	}

	#decode(place: number): View {
		const { schema, columns } = this.#fetched.decode([place]);
		const type = schema.fields[0]?.type;
		return new View(
			columns[0] as StructVector,
			typeof type === "object" && type.type === "struct" ? type : struct(),
		);
	}

	path(row: number): string {
		return textAt(this.paths, row) ?? "";
	}

	hasVector(row: number): boolean {
		return valid(this.#vectors, row);
	}

	deletionVector(row: number): DeletionVectorDescriptor | undefined {
		if (!this.hasVector(row)) return undefined;
		const [type, path, offset, size, cardinality] = this.#vectors.children;
		const at = offset === undefined ? undefined : intAt(offset, row);
		return {
			storageType: (textAt(type, row) ??
				"u") as DeletionVectorDescriptor["storageType"],
			pathOrInlineDv: textAt(path, row) ?? "",
			...(at === undefined ? {} : { offset: at }),
			sizeInBytes: intAt(size, row) ?? 0,
			cardinality: longAt(cardinality, row) ?? 0,
		};
	}
}

/** A decoded view. */
export class View {
	readonly column: StructVector;
	readonly type: StructType;
	readonly #children: ReadonlyMap<string, Vector>;

	constructor(column: StructVector, type: StructType) {
		this.column = column;
		this.type = type;
		this.#children = new Map(
			column.children.map((vector, i) => [type.fields[i]?.name ?? "", vector]),
		);
	}

	child(name: string): Vector {
		const found = this.#children.get(name);
		if (found === undefined)
			throw new TypeError(`the view of the checkpoint has no ${name}`);
		return found;
	}
}
