/** No row is there: it was deleted before its file was read. */
const NOWHERE = 255;
/** Outputs that a place can name. */
export const MOST_OUTPUTS = 254;

/** Where the rows of some files went: the number of an output, and the position in it. Five bytes a row. */
export class RowMap {
	readonly #outputs: Uint8Array[];
	readonly #rows: Uint32Array[];

	constructor(sources: number) {
		this.#outputs = Array.from({ length: sources }, () => new Uint8Array(0));
		this.#rows = Array.from({ length: sources }, () => new Uint32Array(0));
	}

	/** Makes room for the rows below `rows` of a source. */
	reserve(source: number, rows: number): void {
		const old = this.#outputs[source];
		if (old === undefined || old.length >= rows) return;
		const length = Math.max(rows, Math.ceil(old.length * 1.5));
		const outputs = new Uint8Array(length).fill(NOWHERE, old.length);
		outputs.set(old);
		const places = new Uint32Array(length);
		places.set(this.#rows[source] as Uint32Array);
		this.#outputs[source] = outputs;
		this.#rows[source] = places;
	}

	set(source: number, row: number, output: number, at: number): void {
		(this.#outputs[source] as Uint8Array)[row] = output;
		(this.#rows[source] as Uint32Array)[row] = at;
	}

	/**
	 * The places of rows of a source, by output; of all its rows when none are named. A row that went
	 * nowhere has none.
	 */
	collect(
		source: number,
		rows: Iterable<number> | undefined,
		into: Map<number, number[]>,
	): void {
		const outputs = this.#outputs[source] as Uint8Array;
		const places = this.#rows[source] as Uint32Array;
		for (const row of rows ?? outputs.keys()) {
			const output = outputs[row] ?? NOWHERE;
			if (output === NOWHERE) continue;
			const list = into.get(output);
			if (list === undefined) into.set(output, [places[row] as number]);
			else list.push(places[row] as number);
		}
	}
}
