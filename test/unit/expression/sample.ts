import { vectorOf } from "../../../src/columnar/literal.ts";
import { type DataType, field, struct } from "../../../src/columnar/types.ts";
import type { Batch, Value } from "../../../src/columnar/vector.ts";

/** Whole numbers below n, the same ones for a seed. */
export type Random = (n: number) => number;

export function randomOf(seed: number): Random {
	let state = seed >>> 0 || 1;
	return (n) => {
		state ^= state << 13;
		state >>>= 0;
		state ^= state >>> 17;
		state ^= state << 5;
		state >>>= 0;
		return Math.floor((state / 2 ** 32) * n);
	};
}

export const SCHEMA = struct(
	field("i", "integer"),
	field("k", "short"),
	field("l", "long"),
	field("d", "double"),
	field("f", "float"),
	field("m", "decimal(10,2)"),
	field("w", "decimal(25,5)"),
	field("t", "string"),
	field("b", "boolean"),
	field("dt", "date"),
	field("ts", "timestamp"),
	field("n", "timestamp_ntz"),
	field("x", "binary"),
	field("st", struct(field("a", "integer"), field("c", "string"))),
);

const TEXTS = [
	"",
	"a",
	"ab",
	"abc",
	"b",
	"B",
	"ü",
	"\u{1f600}",
	"\uffee",
	"a%",
	"_",
	`${"x".repeat(31)}\u{10ffff}\u{10ffff}z`,
	`${"x".repeat(32)}a`,
	`${"x".repeat(32)}ü`,
	`${"x".repeat(40)}`,
];
const LONGS = [
	0n,
	1n,
	-1n,
	5n,
	100n,
	9_007_199_254_740_992n,
	9_007_199_254_740_993n,
	2n ** 63n - 1n,
	-(2n ** 63n),
];
const DOUBLES = [
	0,
	-0,
	1,
	-1,
	1.5,
	0.1,
	100,
	1e300,
	Number.NaN,
	Number.POSITIVE_INFINITY,
	Number.NEGATIVE_INFINITY,
];

/** `low` and `span` narrow the numbers down, so that files differ. */
export function randomBatch(
	random: Random,
	rows: number,
	options: { readonly low?: number; readonly span?: number } = {},
): Batch {
	const low = options.low ?? -5;
	const span = options.span ?? 12;
	const wild = random(4) === 0;
	const some = <T>(values: readonly T[]): T =>
		values[random(values.length)] as T;
	const small = (): number => low + random(span);
	const value = (type: DataType): Value => {
		if (typeof type !== "string")
			return type.type === "struct"
				? Object.fromEntries(
						type.fields.map((inner) => [inner.name, nullable(inner.type)]),
					)
				: null;
		switch (type) {
			case "integer":
			case "short":
				return small();
			case "long":
				return wild ? some(LONGS) : BigInt(small());
			case "double":
			case "float":
				return wild ? Math.fround(some(DOUBLES)) : small() / 2;
			case "string":
				return wild
					? some(TEXTS)
					: String.fromCharCode(97 + (Math.abs(small()) % 26));
			case "boolean":
				return random(2) === 0;
			case "date":
				return small() * 40;
			case "timestamp":
			case "timestamp_ntz":
				return BigInt(small()) * 86_400_000_000n + BigInt(random(2000)) - 1000n;
			case "binary":
				return Uint8Array.of(random(3), random(256));
			default:
				return {
					unscaled:
						wild && type === "decimal(25,5)"
							? 10n ** 24n * BigInt(random(19) - 9)
							: BigInt(small() * 50),
					scale: type === "decimal(10,2)" ? 2 : 5,
				};
		}
	};
	const nulls = random(3);
	const nullable = (type: DataType): Value =>
		(nulls === 1 && random(4) === 0) || (nulls === 2 && random(12) === 0)
			? null
			: value(type);
	const allNull = random(6) === 0 ? random(SCHEMA.fields.length) : -1;
	return {
		schema: SCHEMA,
		length: rows,
		columns: SCHEMA.fields.map(({ type }, at) =>
			vectorOf(
				type,
				Array.from({ length: rows }, () =>
					at === allNull ? null : nullable(type),
				),
			),
		),
	};
}

const OPERATORS = ["=", "<>", "<", "<=", ">", ">=", "<=>"];

/** Of what is computed from columns, what fails for some rows. */
const FAILING = ["10 / i", "CAST(t AS int)", "l - 1"];

/**
 * The text of a predicate over `SCHEMA`; some fail for some rows. With `eagerBetween` it is one for an engine
 * that computes what a BETWEEN compares before the conditions that guard the BETWEEN: under a guard,
 * what may fail is compared by two comparisons then, which the engine guards as it should.
 */
export function randomPredicate(
	random: Random,
	options: {
		readonly depth?: number;
		readonly eagerBetween?: boolean;
		readonly guarded?: boolean;
	} = {},
): string {
	const { depth = 3, eagerBetween = false, guarded = false } = options;
	const some = (values: readonly string[]): string =>
		values[random(values.length)] as string;
	const small = (): number => random(40) - 12;
	const quoted = (text: string): string => `r'${text}'`;
	const text = (): string =>
		random(3) === 0
			? quoted(TEXTS[random(TEXTS.length)] as string)
			: quoted(String.fromCharCode(97 + random(26)));
	const date = (): string =>
		`DATE '${new Date(small() * 40 * 86_400_000).toISOString().slice(0, 10)}'`;
	const moment = (): string =>
		`TIMESTAMP '${new Date(small() * 86_400_000).toISOString().slice(0, 19)}.${String(random(2000)).padStart(6, "0")}Z'`;
	const number = (): string =>
		some([
			String(small()),
			String(small() / 2),
			`${small()}.25`,
			`${small()}e0`,
			String(LONGS[random(LONGS.length)]),
		]);
	const columns: Record<string, () => string> = {
		i: number,
		k: number,
		l: number,
		d: number,
		f: number,
		m: () => String(small() / 2),
		w: () => some([String(small() / 2), "9000000000000000000.5"]),
		t: text,
		dt: date,
		ts: () => some([moment(), date()]),
		n: () => moment().replace("TIMESTAMP", "TIMESTAMP_NTZ").replace("Z'", "'"),
		"st.a": number,
		"st.c": text,
		"i + 1": number,
		"-i": number,
		"k * 2": number,
		"l - 1": number,
		"abs(i)": number,
		"10 / i": number,
		"CAST(m AS int)": number,
		"CAST(i AS double)": number,
		"CAST(d AS float)": number,
		"CAST(l AS double)": number,
		"CAST(ts AS date)": date,
		"CAST(t AS int)": number,
		"date_trunc('MONTH', ts)": moment,
		"year(dt)": () => String(1970 + random(3)),
		"month(ts)": () => String(random(13)),
		"date_format(ts, 'yyyy-MM-dd')": () =>
			`'197${random(2)}-0${1 + random(9)}-15'`,
		"substring(t, 1, 1)": text,
		"upper(t)": text,
		"coalesce(t, 'm')": text,
		"coalesce(i, k, 3)": number,
		"CASE WHEN b THEN i ELSE k END": number,
		"length(t)": number,
	};
	if (depth > 0 && random(2) === 0) {
		const part = (guarded: boolean): string =>
			`(${randomPredicate(random, { depth: depth - 1, eagerBetween, guarded })})`;
		const alone = (): string => part(guarded);
		const inner = (): string => part(true);
		return some([
			`${inner()} AND ${inner()}`,
			`${inner()} OR ${inner()}`,
			`NOT ${alone()}`,
			`${alone()} IS ${some(["", "NOT "])}${some(["TRUE", "FALSE", "NULL"])}`,
			// A null on the left guards what is on the right, as does a false of an AND.
			`${inner()} = ${inner()}`,
			`CASE WHEN ${inner()} THEN ${inner()} ELSE ${inner()} END`,
			`coalesce(${inner()}, ${inner()})`,
		]);
	}
	const column = some(Object.keys(columns));
	const literal = columns[column] as () => string;
	switch (random(10)) {
		case 0:
			return `${column} ${some(["", "NOT "])}IN (${literal()}, ${literal()}${some(["", ", NULL"])})`;
		case 1:
		case 2: {
			const not = some(["", "NOT "]);
			const [low, high] = [literal(), literal()];
			return eagerBetween && guarded && FAILING.includes(column)
				? `${not}(${column} >= ${low} AND ${column} <= ${high})`
				: `${column} ${not}BETWEEN ${low} AND ${high}`;
		}
		case 3:
			return `${some(["i", "l", "t", "b", "st.a", "st", "x", "d"])} IS ${some(["", "NOT "])}NULL`;
		case 4:
			return `${some(["t", "st.c"])} ${some(["", "NOT "])}LIKE ${some(["'a%'", "'%b'", "'x%z'", "'_'", "r'\\_%'", "'m'"])}`;
		case 5:
			return `${some(["i", "k", "l", "st.a"])} ${some(OPERATORS)} ${some(["i", "k", "l", "d", "m"])}`;
		case 6:
			return some(["b", "NOT b", "b = true", "b IS TRUE"]);
		case 7:
			return `x ${some(OPERATORS)} X'0${random(3)}7F'`;
		case 8:
			return `${literal()} ${some(OPERATORS)} ${column}`;
		default:
			return `${column} ${some(OPERATORS)} ${literal()}`;
	}
}
