import type { DataType } from "../columnar/types.ts";
import type { Vector } from "../columnar/vector.ts";
import { signed } from "./arithmetic.ts";
import { BytesWriter } from "./bytes.ts";
import {
	bytesOf,
	type Column,
	integersOf,
	numbersOf,
	shapeOf,
	validityOf,
} from "./column.ts";
import { dateFormat, truncation } from "./date-format.ts";
import { invalid } from "./errors.ts";
import { civilOf, dayOf } from "./time.ts";

/** The functions that are computed row by row from all of their arguments. */
export function callFunction(
	name: string,
	args: readonly Column[],
	options: {
		readonly type: DataType;
		/** Of the first argument. */
		readonly argument: DataType;
		readonly length: number;
	},
): Column {
	const [first, second, third] = args as [Column, Column, Column?];
	const { length, step } = shapeOf(args, options.length);
	const validity = validityOf(args, length);
	const ints = (compute: (i: number) => number): Column => {
		const values = new Int32Array(length);
		for (let i = 0; i < length; i++)
			if (validity === undefined || validity[i] !== 0) values[i] = compute(i);
		return { vector: { kind: "i32", length, validity, values }, step };
	};
	const bytes = (put: (writer: BytesWriter, i: number) => void): Column => {
		const writer = new BytesWriter(length);
		for (let i = 0; i < length; i++) {
			if (validity === undefined || validity[i] !== 0) put(writer, i);
			writer.end();
		}
		return { vector: writer.finish(validity), step };
	};
	switch (name) {
		case "abs":
			return signed("abs", first, options);
		case "concat":
			return bytes(joined(args));
		case "length":
			return ints(lengthOf(first, options.argument === "binary"));
		case "lower":
		case "upper": {
			const text = textOf(first);
			return bytes((writer, i) =>
				writer.addText(
					name === "lower" ? text(i).toLowerCase() : text(i).toUpperCase(),
				),
			);
		}
		case "substring":
			return bytes(part(first, second, third, options.argument === "binary"));
		case "year":
		case "month":
		case "day": {
			const days = numbersOf(first);
			return ints((i) => civilOf(days[i] as number)[name]);
		}
		case "hour":
		case "minute":
		case "second": {
			const micros = integersOf(first);
			const [unit, most] = CLOCK[name];
			return ints((i) => Math.floor(dayOf(micros(i)).rest / unit) % most);
		}
		case "date_format": {
			const format = dateFormat(constant(second));
			const micros = integersOf(first);
			return bytes((writer, i) => writer.addText(format(micros(i))));
		}
		case "date_trunc": {
			const truncate = truncation(constant(first));
			const micros = integersOf(second);
			const values = new BigInt64Array(length);
			for (let i = 0; i < length; i++)
				if (validity === undefined || validity[i] !== 0)
					values[i] = truncate(micros(i));
			const vector: Vector = { kind: "i64", length, validity, values };
			return { vector, step };
		}
	}
	throw invalid(`the function ${name} can't be evaluated`);
}

const CLOCK = {
	hour: [3_600_000_000, 24],
	minute: [60_000_000, 60],
	second: [1_000_000, 60],
} as const;

function constant(column: Column): string {
	return textOf(column)(0);
}

function textOf(column: Column): (i: number) => string {
	const { data, from, to } = bytesOf(column);
	const buffer = Buffer.from(data.buffer, data.byteOffset, data.length);
	return (i) => buffer.toString("utf8", from(i), to(i));
}

function joined(
	args: readonly Column[],
): (writer: BytesWriter, i: number) => void {
	const parts = args.map(bytesOf);
	return (writer, i) => {
		for (const { data, from, to } of parts) writer.add(data, from(i), to(i));
	};
}

function lengthOf(column: Column, binary: boolean): (i: number) => number {
	const { data, from, to } = bytesOf(column);
	return (i) => {
		if (binary) return to(i) - from(i);
		let chars = 0;
		const end = to(i);
		for (let at = from(i); at < end; at++)
			if (((data[at] as number) & 0xc0) !== 0x80) chars++;
		return chars;
	};
}

/** Spark's substring: from 1, from the end when negative, 0 as 1; characters, or bytes of binary. */
function part(
	column: Column,
	position: Column,
	size: Column | undefined,
	binary: boolean,
): (writer: BytesWriter, i: number) => void {
	const { data, from, to } = bytesOf(column);
	const positions = numbersOf(position);
	const sizes = size === undefined ? undefined : numbersOf(size);
	const chars = lengthOf(column, binary);
	return (writer, i) => {
		const at = positions[i * position.step] as number;
		const start = at > 0 ? at - 1 : at < 0 ? chars(i) + at : 0;
		const end =
			sizes === undefined || size === undefined
				? Number.POSITIVE_INFINITY
				: start + (sizes[i * size.step] as number);
		const first = from(i);
		const last = to(i);
		const offset = (count: number): number => {
			if (binary) return Math.min(first + Math.max(count, 0), last);
			let place = first;
			for (let left = count; left > 0 && place < last; left--) {
				place++;
				while (place < last && ((data[place] as number) & 0xc0) === 0x80)
					place++;
			}
			return place;
		};
		const begin = offset(start);
		writer.add(data, begin, Math.max(begin, offset(end)));
	};
}
