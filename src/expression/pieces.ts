import { concatVectors, takeVector } from "../columnar/batch.ts";
import { nullVector } from "../columnar/literal.ts";
import type { DataType } from "../columnar/types.ts";
import type { Vector } from "../columnar/vector.ts";
import type { Column } from "./column.ts";

/** A column that is put together from some rows of one expression and some of another. */
export class Pieces {
	readonly #vectors: Vector[];
	/** Where in the vectors, one after another, a row's value is; slot 0 is null. */
	readonly #places: Int32Array;
	#size = 1;

	constructor(type: DataType, length: number) {
		this.#vectors = [nullVector(type, 1)];
		this.#places = new Int32Array(length);
	}

	/** Gives these rows the values of a column that has as many, in their order. */
	put(rows: Int32Array, { vector, step }: Column): void {
		rows.forEach((row, k) => {
			this.#places[row] = this.#size + k * step;
		});
		this.#vectors.push(vector);
		this.#size += vector.length;
	}

	joined(): Vector {
		const all = concatVectors(
			this.#vectors.map((vector) => ({ vector, from: 0, to: vector.length })),
		);
		return takeVector(all, this.#places);
	}
}
