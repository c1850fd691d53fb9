import { randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { StructType } from "../../src/columnar/types.ts";
import { readChanges } from "../../src/delta/change-data.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { readTable } from "../../src/delta/scan.ts";
import { loadSnapshot, type Snapshot } from "../../src/delta/snapshot.ts";
import { openStore } from "../../src/storage/open.ts";
import type { JudgedTable } from "./spark.ts";
import { bareSchema, comparable, wireRows } from "./wire.ts";

/** A table that a judge changes, step by step. */
export interface History {
	readonly path: string;
	readonly statements: readonly string[];
	/** The oldest version whose files are all there. */
	readonly oldest: number;
	schema: StructType;
	create(): Promise<void>;
	step(version: number): Promise<void>;
}

/**
 * Lets a history happen and compares what we read with what the judge reads: the newest version after
 * every step, and in the end every version once more.
 */
export async function expectSameHistory(
	history: History,
	options: {
		readonly steps: number;
		/** Printed with a failure: how to see it again. */
		readonly name: string;
		readonly read: (version: number) => Promise<JudgedTable>;
		/** The judge's change data feed of both versions and what is between them. */
		readonly changes?: (first: number, last: number) => Promise<JudgedTable>;
		/** What else is to be compared in the end. */
		readonly finally?: (newest: JudgedTable) => Promise<void>;
	},
): Promise<void> {
	const seen = new Map<number, JudgedTable>();
	try {
		await history.create();
		for (let step = 0; step <= options.steps; step++) {
			const version = await newestVersion(history.path);
			const theirs = await options.read(version);
			history.schema = theirs.schema;
			await expectSame(history.path, version, theirs);
			seen.set(version, theirs);
			if (step < options.steps) await history.step(version);
		}
		for (const [version, theirs] of seen)
			if (version >= history.oldest)
				await expectSame(history.path, version, theirs);
		const newest = [...seen].at(-1);
		if (newest === undefined) return;
		if (options.changes !== undefined)
			await expectSameChanges(history, seen, options.changes);
		await options.finally?.(newest[1]);
	} catch (error) {
		if (error instanceof Error)
			error.message = `${options.name}:\n${history.statements.join(";\n")};\n\n${error.message}`;
		throw error;
	}
}

/**
 * The changes of the last versions, as far back as the columns are those of today, all files are there and
 * the feed was on.
 */
async function expectSameChanges(
	history: History,
	seen: ReadonlyMap<number, JudgedTable>,
	changes: (first: number, last: number) => Promise<JudgedTable>,
): Promise<void> {
	const versions = [...seen.keys()];
	const last = versions.at(-1) ?? 0;
	const today = JSON.stringify(bareSchema(history.schema));
	let first = last + 1;
	for (const version of versions.reverse()) {
		const { metadata } = await snapshotOf(history.path, version);
		if (
			version <= history.oldest ||
			JSON.stringify(bareSchema(seen.get(version)?.schema ?? "void")) !==
				today ||
			metadata.configuration["delta.enableChangeDataFeed"] !== "true"
		)
			break;
		first = version;
	}
	if (first > last) return;
	const theirs = await changes(first, last);
	const rows = [];
	for await (const batch of readChanges(engineOf(history.path), {
		from: first,
		to: last,
		recorded: true,
	}))
		rows.push(...wireRows(batch, theirs.schema));
	expect(
		comparable(rows, theirs.schema),
		`changes from ${first} to ${last}`,
	).toEqual(comparable(theirs.rows, theirs.schema));
}

/** @throws an assertion's error when schema or rows differ */
export async function expectSame(
	path: string,
	version: number,
	theirs: JudgedTable,
): Promise<void> {
	const engine = engineOf(path);
	const snapshot = await snapshotOf(path, version);
	expect(bareSchema(snapshot.schema)).toEqual(bareSchema(theirs.schema));
	const rows = [];
	for await (const batch of readTable(engine, snapshot))
		rows.push(...wireRows(batch, theirs.schema));
	expect(comparable(rows, theirs.schema), `version ${version}`).toEqual(
		comparable(theirs.rows, theirs.schema),
	);
}

export async function snapshotOf(
	path: string,
	version?: number,
): Promise<Snapshot> {
	const snapshot = await loadSnapshot(
		engineOf(path),
		version === undefined ? {} : { version },
	);
	if (snapshot === undefined) throw new Error(`no table in ${path}`);
	return snapshot;
}

export function engineOf(path: string): Engine {
	return {
		store: openStore(path),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
}

/** As the folder of the log has it, whoever wrote it. */
export async function newestVersion(path: string): Promise<number> {
	const names = await readdir(join(path, "_delta_log"));
	const versions = names.map((name) => /^(\d{20})\.json$/.exec(name)?.[1]);
	return Math.max(...versions.map((version) => Number(version ?? -1)));
}
