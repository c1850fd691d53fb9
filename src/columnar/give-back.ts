import { columnMemory } from "./growth.ts";
import type { Batch, Vector } from "./vector.ts";

/** Nobody reads a batch from here on: what builders took for it is used again. */
export function giveBackBatch({ columns }: Batch): void {
	for (const column of columns) giveBackVector(column);
}

function giveBackVector(vector: Vector): void {
	if (vector.validity !== undefined)
		columnMemory.giveBack(vector.validity.buffer);
	switch (vector.kind) {
		case "bytes":
			columnMemory.giveBack(vector.offsets.buffer);
			columnMemory.giveBack(vector.data.buffer);
			return;
		case "struct":
			vector.children.forEach(giveBackVector);
			return;
		case "list":
			columnMemory.giveBack(vector.offsets.buffer);
			giveBackVector(vector.child);
			return;
		case "map":
			columnMemory.giveBack(vector.offsets.buffer);
			giveBackVector(vector.keys);
			giveBackVector(vector.values);
			return;
		default:
			columnMemory.giveBack(vector.values.buffer);
	}
}
