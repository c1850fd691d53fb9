import { field, struct } from "../../../src/columnar/types.ts";
import type { Action, AddFile } from "../../../src/delta/actions.ts";
import { commit } from "../../../src/delta/commit.ts";
import { newTable } from "../../../src/delta/create.ts";
import type { Engine } from "../../../src/delta/engine.ts";
import type { CommitOutcome } from "../../../src/delta/outcome.ts";
import type { Snapshot } from "../../../src/delta/snapshot.ts";
import {
	type MemoryStoreOptions,
	openMemoryStore,
	type StoredObject,
} from "../../../src/storage/memory.ts";

export const SCHEMA = struct(field("id", "long"));

export interface MemoryEngine extends Engine {
	readonly objects: Map<string, StoredObject>;
	/** Milliseconds; moved by the test. */
	clock: number;
	readonly failures: unknown[];
}

/** An engine over memory whose clock the test moves; UUIDs count up. */
export function memoryEngine(options: MemoryStoreOptions = {}): MemoryEngine {
	let ids = 0;
	const failures: unknown[] = [];
	const engine: MemoryEngine = {
		objects: new Map(),
		failures,
		clock: 1_700_000_000_000,
		store: undefined as unknown as Engine["store"],
		now: () => engine.clock,
		uuid: () =>
			`00000000-0000-4000-8000-${(++ids).toString(16).padStart(12, "0")}`,
		sleep: async () => {},
		random: () => 0.5,
		onCheckpointFailure: (error) => failures.push(error),
	};
	const store = openMemoryStore({ now: () => engine.clock, ...options });
	return Object.assign(engine, { store, objects: store.objects });
}

export function add(path: string, more: Partial<AddFile> = {}): Action {
	return {
		add: {
			path,
			partitionValues: {},
			size: 100,
			modificationTime: 1,
			dataChange: true,
			stats: '{"numRecords":10}',
			...more,
		},
	};
}

export function remove(path: string, at = 1): Action {
	return { remove: { path, dataChange: true, deletionTimestamp: at } };
}

/** Commits these actions after `base`, or makes the table with them. */
export async function write(
	engine: Engine,
	base: Snapshot | undefined,
	actions: readonly Action[],
	configuration: Record<string, string> = {},
	features: readonly string[] = [],
): Promise<Snapshot> {
	const outcome = await commit(engine, {
		base,
		plan: (snapshot) => ({
			kind: "commit",
			info: { operation: "WRITE" },
			actions:
				snapshot === undefined
					? [
							...newTable({ schema: SCHEMA, configuration, features }, engine),
							...actions,
						]
					: actions,
		}),
	});
	return committed(outcome);
}

export function committed(outcome: CommitOutcome): Snapshot {
	if (outcome.kind !== "committed")
		throw new Error(`not committed: ${JSON.stringify(outcome)}`);
	return outcome.snapshot;
}

/** A version's state as plain data, to be compared. */
export function plain(snapshot: Snapshot | undefined) {
	return {
		version: snapshot?.version,
		files: [...(snapshot?.files.entries() ?? [])]
			.map(([key, file]) => [key, { ...file, dataChange: false }] as const)
			.sort(([a], [b]) => (a < b ? -1 : 1)),
		tombstones: [...(snapshot?.tombstones.keys() ?? [])].sort(),
		txns: [...(snapshot?.txns.entries() ?? [])].sort(),
		domains: [...(snapshot?.domains.entries() ?? [])]
			.filter(([, { removed }]) => !removed)
			.sort(),
		protocol: snapshot?.protocol,
		metadata: snapshot?.metadata,
	};
}
