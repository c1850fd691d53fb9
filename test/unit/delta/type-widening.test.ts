import { expect, test } from "vitest";
import { encodeParquet } from "../../../src/columnar/parquet/encode.ts";
import {
	array,
	type DataType,
	decimalParts,
	field,
	struct,
} from "../../../src/columnar/types.ts";
import type { Row, Value } from "../../../src/columnar/vector.ts";
import { canWiden } from "../../../src/columnar/widening.ts";
import { TYPE_CHANGES } from "../../../src/delta/type-widening.ts";
import { batchOf } from "../../support/batch.ts";
import { generator, integerOf, pick, SEED } from "./random.ts";
import { engineOf, rowsOf, tableOf } from "./scanned.ts";

const FROM: Record<string, readonly Value[]> = {
	byte: [-128, -1, 0, 127],
	short: [-32768, 0, 32767],
	integer: [-2147483648, -1, 2147483647],
	long: [-(2n ** 63n), -1n, 0n, 2n ** 63n - 1n],
	float: [Math.fround(0.1), -0, Infinity, Number.NaN, Math.fround(1e-45)],
	date: [-719162, -1, 0, 2932896],
	"decimal(5,2)": [-99999n, -50n, 0n, 99999n].map((unscaled) => ({
		unscaled,
		scale: 2,
	})),
	"decimal(18,0)": [-(10n ** 18n) + 1n, 1n].map((unscaled) => ({
		unscaled,
		scale: 0,
	})),
	"decimal(20,5)": [-(10n ** 20n) + 1n, 1n].map((unscaled) => ({
		unscaled,
		scale: 5,
	})),
};

const TO: readonly DataType[] = [
	"short",
	"integer",
	"long",
	"double",
	"timestamp_ntz",
	"decimal(10,0)",
	"decimal(12,2)",
	"decimal(18,8)",
	"decimal(20,0)",
	"decimal(24,6)",
	"decimal(38,0)",
	"decimal(38,18)",
];

/** What a value has to become, worked out apart from the code under test. */
function widened(value: Value, from: DataType, to: DataType): Value {
	const target = decimalParts(to);
	if (target !== undefined) {
		const source =
			typeof value === "object" && value !== null && "unscaled" in value
				? (value as { unscaled: bigint; scale: number })
				: { unscaled: BigInt(value as number | bigint), scale: 0 };
		return {
			unscaled: source.unscaled * 10n ** BigInt(target.scale - source.scale),
			scale: target.scale,
		};
	}
	if (to === "timestamp_ntz") return BigInt(value as number) * 86_400_000_000n;
	if (to === "long") return BigInt(value as number);
	return from === to ? value : Number(value);
}

for (const [from, values] of Object.entries(FROM) as [DataType, Value[]][])
	for (const to of TO.filter((type) => type !== from && canWiden(from, type)))
		test(`values from before ${from} became ${to} are the same values`, async () => {
			const engine = engineOf();
			const schema = (type: DataType) =>
				struct(
					field("x", type),
					field("l", array(type)),
					field("m", {
						type: "map",
						keyType: type,
						valueType: struct(field("y", type)),
						valueContainsNull: true,
					}),
				);
			const all = [null, ...values];
			const rowOf = (value: Value): Row => ({
				x: value,
				l: [value, null, value],
				m: value === null ? null : new Map([[value, { y: value }]]),
			});
			const { bytes } = encodeParquet([batchOf(schema(from), all.map(rowOf))]);
			await engine.store.put("f", bytes);
			const rows = await rowsOf(
				engine,
				tableOf(schema(to), [
					{
						path: "f",
						partitionValues: {},
						size: bytes.length,
						modificationTime: 0,
						dataChange: true,
					},
				]),
			);
			expect(rows).toEqual(
				all.map((value) =>
					rowOf(value === null ? null : widened(value, from, to)),
				),
			);
		});

test("decimals of any precision widen to any that holds them", async () => {
	const random = generator(SEED);
	for (let i = 0; i < 60; i++) {
		const precision = 1 + Math.floor(random() * 38);
		const scale = Math.floor(random() * (precision + 1));
		const more = Math.floor(random() * (39 - precision));
		const scaleMore = Math.floor(random() * (more + 1));
		const from: DataType = `decimal(${precision},${scale})`;
		const to: DataType = `decimal(${precision + more},${scale + scaleMore})`;
		const engine = engineOf();
		const values = Array.from({ length: 20 }, () => ({
			unscaled: integerOf(random, 126) % 10n ** BigInt(precision),
			scale,
		}));
		const { bytes } = encodeParquet(
			[
				batchOf(
					struct(field("x", from)),
					values.map((x) => ({ x })),
				),
			],
			{ dictionary: pick(random, [true, false]) },
		);
		await engine.store.put("f", bytes);
		const rows = await rowsOf(
			engine,
			tableOf(struct(field("x", to)), [
				{
					path: "f",
					partitionValues: {},
					size: bytes.length,
					modificationTime: 0,
					dataChange: true,
				},
			]),
		);
		expect(rows, `seed ${SEED}, ${i}: ${from} to ${to}`).toEqual(
			values.map((x) => ({ x: widened(x, from, to) })),
		);
	}
});

test("a scan refuses a change of type that it can't follow", async () => {
	const schema = struct(
		field("a", "long"),
		field("b", "string", {
			metadata: { [TYPE_CHANGES]: [{ fromType: "long", toType: "string" }] },
		}),
	);
	await expect(
		rowsOf(engineOf(), tableOf(schema, []), { columns: ["a"] }),
	).rejects.toMatchObject({
		code: "DELTA_UNSUPPORTED_READER",
		message: expect.stringContaining("from long to string") as string,
	});
});
