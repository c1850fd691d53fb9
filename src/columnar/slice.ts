import type { Vector } from "./vector.ts";

/** Slots `from` to `to`, which share the vector's memory where they can. */
export function sliceVector(vector: Vector, from: number, to: number): Vector {
	const length = to - from;
	if (length === vector.length) return vector;
	const slots = { length, validity: vector.validity?.subarray(from, to) };
	const rebased = (offsets: Int32Array): Int32Array => {
		const base = offsets[from] as number;
		return offsets.subarray(from, to + 1).map((offset) => offset - base);
	};
	switch (vector.kind) {
		case "bool": {
			const values = vector.values.subarray(from, to);
			return { kind: vector.kind, ...slots, values };
		}
		case "i32": {
			const values = vector.values.subarray(from, to);
			return { kind: vector.kind, ...slots, values };
		}
		case "i64": {
			const values = vector.values.subarray(from, to);
			return { kind: vector.kind, ...slots, values };
		}
		case "f32": {
			const values = vector.values.subarray(from, to);
			return { kind: vector.kind, ...slots, values };
		}
		case "f64": {
			const values = vector.values.subarray(from, to);
			return { kind: vector.kind, ...slots, values };
		}
		case "fixed16": {
			const values = vector.values.subarray(from * 16, to * 16);
			return { kind: vector.kind, ...slots, values };
		}
		case "bytes": {
			const { offsets, data } = vector;
			return {
				kind: vector.kind,
				...slots,
				offsets: rebased(offsets),
				data: data.subarray(offsets[from], offsets[to]),
			};
		}
		case "struct":
			return {
				kind: vector.kind,
				...slots,
				children: vector.children.map((child) => sliceVector(child, from, to)),
			};
		case "list": {
			const { offsets, child } = vector;
			const [start, end] = [offsets[from] as number, offsets[to] as number];
			return {
				kind: vector.kind,
				...slots,
				offsets: rebased(offsets),
				child: sliceVector(child, start, end),
			};
		}
		case "map": {
			const { offsets } = vector;
			const [start, end] = [offsets[from] as number, offsets[to] as number];
			return {
				kind: vector.kind,
				...slots,
				offsets: rebased(offsets),
				keys: sliceVector(vector.keys, start, end),
				values: sliceVector(vector.values, start, end),
			};
		}
	}
}

/** Bytes of the slots `from` to `to` in memory, validity left out. */
export function vectorBytes(vector: Vector, from: number, to: number): number {
	switch (vector.kind) {
		case "bool":
			return to - from;
		case "i32":
		case "f32":
			return (to - from) * 4;
		case "i64":
		case "f64":
			return (to - from) * 8;
		case "fixed16":
			return (to - from) * 16;
		case "bytes": {
			const { offsets } = vector;
			const size = (offsets[to] as number) - (offsets[from] as number);
			return size + (to - from) * 4;
		}
		case "struct":
			return vector.children.reduce(
				(sum, child) => sum + vectorBytes(child, from, to),
				0,
			);
		case "list":
		case "map": {
			const start = vector.offsets[from] as number;
			const end = vector.offsets[to] as number;
			const children =
				vector.kind === "list" ? [vector.child] : [vector.keys, vector.values];
			return children.reduce(
				(sum, child) => sum + vectorBytes(child, start, end),
				(to - from) * 4,
			);
		}
	}
}
