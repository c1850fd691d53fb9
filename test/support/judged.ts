import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { decimalText, valueAt } from "../../src/columnar/value.ts";
import type { Row, Value } from "../../src/columnar/vector.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { readTable } from "../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../src/delta/snapshot.ts";
import { openStore } from "../../src/storage/open.ts";
import { JUDGES_PYTHON } from "../../stack/components.ts";

export const JUDGE_SCRIPT = join(import.meta.dirname, "judge.py");

/** Other implementations of Delta Lake that read our tables. */
export const JUDGES = ["delta-rs", "DuckDB"] as const;

/** A table's rows as texts that can be compared, in an order of their own. */
export async function ours(
	path: string,
): Promise<{ snapshot: Snapshot; rows: string[] }> {
	const engine: Engine = {
		store: openStore(path),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error(`no table in ${path}`);
	const rows: string[] = [];
	for await (const batch of readTable(engine, snapshot))
		for (let i = 0; i < batch.length; i++) {
			const row: Record<string, unknown> = {};
			for (const [at, { name, type }] of batch.schema.fields.entries()) {
				const vector = batch.columns[at];
				if (vector === undefined) throw new Error(`no column ${name}`);
				row[name] = plain(valueAt(vector, type, i));
			}
			rows.push(canonical(row));
		}
	return { snapshot, rows: rows.sort() };
}

/** The rows as another implementation reads them. */
export function judged(judge: (typeof JUDGES)[number], path: string): string[] {
	return execFileSync(JUDGES_PYTHON, [JUDGE_SCRIPT, "read", judge, path], {
		encoding: "utf8",
		maxBuffer: 2 ** 28,
		stdio: "pipe",
	})
		.trimEnd()
		.split("\n")
		.map((line) => canonical(parse(line, exact) as Record<string, unknown>))
		.sort();
}

const parse = JSON.parse as (
	text: string,
	reviver: (
		key: string,
		value: unknown,
		context: { readonly source?: string },
	) => unknown,
) => unknown;

/** Integers that no double holds stay texts. */
function exact(
	_: string,
	value: unknown,
	{ source = "" }: { readonly source?: string },
): unknown {
	return typeof value === "number" &&
		/^-?\d+$/.test(source) &&
		!Number.isSafeInteger(value)
		? source
		: value;
}

/** As the script writes values. */
function plain(value: Value): unknown {
	if (typeof value === "bigint") {
		const number = Number(value);
		return Number.isSafeInteger(number) ? number : String(value);
	}
	if (typeof value === "number" && !Number.isFinite(value))
		return String(value);
	if (value === null || typeof value !== "object") return value;
	if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
	if (Array.isArray(value)) return value.map(plain);
	if (value instanceof Map) throw new Error("no table here has a map");
	const { unscaled, scale } = value as Row;
	if (typeof unscaled === "bigint" && typeof scale === "number")
		return decimalText(unscaled, scale);
	return Object.fromEntries(
		Object.entries(value).map(([name, inner]) => [name, plain(inner as Value)]),
	);
}

/** Structs too without regard to the order of their fields. */
function canonical(row: Record<string, unknown>): string {
	return JSON.stringify(row, (_, value: unknown) =>
		typeof value === "object" && value !== null && !Array.isArray(value)
			? Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
			: value,
	);
}
