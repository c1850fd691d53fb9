import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../../delta/engine.ts";
import { DeltaError } from "../../delta/errors.ts";
import { versionAt } from "../../delta/history.ts";
import { loadSnapshot, type Snapshot } from "../../delta/snapshot.ts";
import { loadSummary, type Summary } from "../../delta/summary.ts";
import { parseTimestamp } from "../../delta/time-text.ts";
import { ConfigError } from "../../errors.ts";
import {
	fileOpener,
	openStore,
	type StorageCredentials,
	storageCredentials,
} from "../../storage/open.ts";
import type { ObjectStore } from "../../storage/store.ts";
import { type Flags, onlyOne, wholeNumber } from "./flags.ts";
import type { Output } from "./output.ts";

/** What every command on a table has at hand. */
export interface TableContext {
	readonly engine: Engine;
	readonly flags: Flags;
	readonly out: Output;
}

/** @throws ConfigError for a path that is none */
export function openEngine(path: string): Engine {
	const credentials = storageCredentials(process.env);
	return engineOn(openStore(path, credentials), credentials);
}

/** The engine of a table in a store; files outside of it are opened with the same credentials. */
export function engineOn(
	store: ObjectStore,
	credentials: StorageCredentials,
): Engine {
	return {
		store,
		openAt: fileOpener(credentials),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
}

/**
 * The state of the table at `--version` or `--timestamp`, else the newest.
 * @throws DeltaError DELTA_TABLE_NOT_FOUND, and as `loadSnapshot`
 */
export async function openTable(context: TableContext): Promise<Snapshot> {
	const version = await wantedVersion(context);
	const snapshot = await loadSnapshot(
		context.engine,
		version === undefined ? {} : { version },
	);
	return snapshot ?? notFound(context.engine);
}

/** Its newest version without its files. */
export async function openSummary({ engine }: TableContext): Promise<Summary> {
	return (await loadSummary(engine)) ?? notFound(engine);
}

/** The version that `--version` or `--timestamp` names; `undefined` without them. */
export async function wantedVersion(
	context: TableContext,
): Promise<number | undefined> {
	const { engine, flags } = context;
	onlyOne(flags, ["version", "timestamp"]);
	const version = wholeNumber("version", flags.version);
	if (version !== undefined || flags.timestamp === undefined) return version;
	const micros = parseTimestamp(flags.timestamp);
	if (micros === undefined)
		throw new ConfigError(
			`--timestamp ${flags.timestamp} is no point in time; write it like 2026-08-31T12:00:00Z`,
		);
	const { metadata } = await openSummary(context);
	return await versionAt(engine, metadata, Math.floor(Number(micros) / 1000));
}

function notFound({ store }: Engine): never {
	throw new DeltaError(
		"DELTA_TABLE_NOT_FOUND",
		`${store.url} holds no Delta table (no _delta_log); check the path`,
	);
}
