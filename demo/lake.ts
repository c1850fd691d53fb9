import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { formatValue, toJson, valueAt } from "../src/columnar/value.ts";
import type { Engine } from "../src/delta/engine.ts";
import { readTable } from "../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../src/delta/snapshot.ts";
import { openBelow, type StorageCredentials } from "../src/storage/open.ts";
import type { TextRow } from "./source.ts";

export interface Lake {
	readonly location: string;
	readonly credentials: StorageCredentials;
}

export interface TableRows {
	readonly snapshot: Snapshot;
	readonly rows: readonly TextRow[];
}

/** A table's rows as texts; `undefined` while there is no table. */
export async function tableRows(
	lake: Lake,
	path: string,
): Promise<TableRows | undefined> {
	const engine: Engine = {
		store: openBelow(lake.location, path, lake.credentials),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) return undefined;
	const rows: TextRow[] = [];
	for await (const batch of readTable(engine, snapshot))
		for (let i = 0; i < batch.length; i++) {
			const row: Record<string, string> = {};
			for (const [at, field] of batch.schema.fields.entries()) {
				const vector = batch.columns[at];
				const value =
					vector === undefined ? null : valueAt(vector, field.type, i);
				if (value === null) continue;
				row[field.name] =
					typeof field.type === "string"
						? formatValue(value, field.type)
						: withoutNulls(toJson(value, field.type));
			}
			rows.push(row);
		}
	return { snapshot, rows };
}

/** A document lacks a field where a struct has null. */
function withoutNulls(json: string): string {
	return JSON.stringify(JSON.parse(json), (_, value: unknown) =>
		value === null ? undefined : value,
	);
}

/** The first difference between source and mirror, or `undefined` when they are equal by value. */
export function difference(
	source: ReadonlyMap<string, TextRow>,
	mirror: readonly TextRow[],
	key: string,
): string | undefined {
	const seen = new Set<string>();
	for (const row of mirror) {
		const id = row[key] ?? "";
		if (seen.has(id)) return `${id} is in the table twice`;
		seen.add(id);
		const wanted = source.get(id);
		if (wanted === undefined) return `${id} is in the table, not in the source`;
		for (const name of new Set([...Object.keys(row), ...Object.keys(wanted)]))
			if (row[name] !== wanted[name])
				return `${id}: ${name} is ${row[name]} in the table, ${wanted[name]} in the source`;
	}
	for (const id of source.keys())
		if (!seen.has(id)) return `${id} is in the source, not in the table`;
	return undefined;
}

/** The state that a history of changes leads to, by key: what the mirror has to be. */
export function replayed(
	history: readonly TextRow[],
	key: string,
): Map<string, TextRow> {
	const order = [...history].sort((a, b) =>
		Number(BigInt(a._kafka_offset ?? 0) - BigInt(b._kafka_offset ?? 0)),
	);
	const state = new Map<string, TextRow>();
	for (const row of order) {
		const id = row[key] ?? "";
		if (row._cdc_operation === "d") state.delete(id);
		else
			state.set(
				id,
				Object.fromEntries(
					Object.entries(row).filter(
						([name]) => !/^_(cdc|kafka|ingestion)_/.test(name),
					),
				),
			);
	}
	return state;
}
