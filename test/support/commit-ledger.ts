import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { field, struct } from "../../src/columnar/types.ts";
import type { Action } from "../../src/delta/actions.ts";
import { commit } from "../../src/delta/commit.ts";
import { newTable } from "../../src/delta/create.ts";
import type { Engine } from "../../src/delta/engine.ts";
import { commitPath, parseCommit } from "../../src/delta/log.ts";
import { loadSnapshot, type Snapshot } from "../../src/delta/snapshot.ts";
import { TributaryError } from "../../src/errors.ts";
import type { ObjectStore } from "../../src/storage/store.ts";

export function engineOver(store: ObjectStore): Engine {
	return {
		store,
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
}

/** Version 0 of a table to race on. */
export async function createLedger(
	engine: Engine,
	configuration: Readonly<Record<string, string>> = {},
): Promise<void> {
	const outcome = await commit(engine, {
		base: undefined,
		plan: () => ({
			kind: "commit",
			actions: newTable(
				{ schema: struct(field("id", "long")), configuration },
				engine,
			),
			info: { operation: "CREATE TABLE" },
		}),
	});
	if (outcome.kind !== "committed")
		throw new Error(`the table was not made: ${outcome.kind}`);
}

export interface Committed {
	/** Attempts over all commits; at least one for each. */
	readonly attempts: number;
	/** Errors that a new beginning overcame. */
	readonly errors: number;
}

/**
 * Commits numbers 0 to `count - 1` in order, each with the committer's own application id, as a
 * writer does with offsets: what the table has already is not committed again.
 */
export async function commitNumbers(
	engine: Engine,
	name: string,
	count: number,
): Promise<Committed> {
	let attempts = 0;
	let errors = 0;
	let base: Snapshot | undefined;
	for (let number = 0; number < count; ) {
		try {
			base ??= await loadSnapshot(engine);
			const outcome = await commit(engine, {
				base,
				maxAttempts: 1000,
				plan: (snapshot) => {
					attempts++;
					if ((snapshot?.txns.get(name)?.version ?? -1) >= number)
						return { kind: "abandon", reason: "it is there" };
					return {
						kind: "commit",
						actions: numbered(name, number),
						info: { operation: "WRITE", isBlindAppend: true },
					};
				},
			});
			if (outcome.kind === "conflict")
				throw new Error(`${name} lost ${outcome.attempts} races`);
			base = outcome.snapshot;
			number++;
		} catch (error) {
			if (!(error instanceof TributaryError) || !error.retryable) throw error;
			errors++;
			base = undefined;
		}
	}
	return { attempts, errors };
}

function numbered(name: string, number: number): Action[] {
	return [
		{ txn: { appId: name, version: number, lastUpdated: Date.now() } },
		{
			add: {
				path: `${name}-${number}.parquet`,
				partitionValues: {},
				size: 1,
				modificationTime: 0,
				dataChange: true,
			},
		},
	];
}

/**
 * What a log holds that it should not, one line each: a gap, a number that is missing, doubled or out
 * of order, a file that is not in the snapshot.
 */
export async function auditLedger(
	engine: Engine,
	names: readonly string[],
	count: number,
): Promise<string[]> {
	const wrong: string[] = [];
	const next = new Map(names.map((name) => [name, 0]));
	const total = names.length * count;
	for (let version = 1; version <= total; version++) {
		const path = commitPath(version);
		let actions: Action[];
		try {
			actions = parseCommit(await engine.store.get(path), path);
		} catch (error) {
			wrong.push(`version ${version}: ${String(error)}`);
			continue;
		}
		const txns = actions.flatMap((action) =>
			"txn" in action ? [action.txn] : [],
		);
		if (txns.length !== 1)
			wrong.push(`version ${version}: ${txns.length} txns`);
		for (const { appId, version: number } of txns) {
			const expected = next.get(appId);
			if (expected !== number)
				wrong.push(
					`version ${version}: ${appId} has ${number}, not ${expected}`,
				);
			next.set(appId, number + 1);
		}
	}
	if ((await engine.store.head(commitPath(total + 1))) !== undefined)
		wrong.push(
			`version ${total + 1} is there: more commits than were asked for`,
		);
	for (const [name, reached] of next)
		if (reached !== count) wrong.push(`${name} has ${reached} of ${count}`);
	const snapshot = await loadSnapshot(engine);
	if (snapshot?.version !== total)
		wrong.push(`the snapshot is version ${snapshot?.version} of ${total}`);
	if (snapshot?.files.size !== total)
		wrong.push(`the snapshot has ${snapshot?.files.size} files of ${total}`);
	for (const name of names) {
		const last = snapshot?.txns.get(name)?.version;
		if (last !== count - 1)
			wrong.push(`the snapshot has ${name} at ${last}, not ${count - 1}`);
	}
	return wrong;
}
