import type { StructType } from "../columnar/types.ts";
import type { Metadata, Protocol, SetTransaction } from "./actions.ts";
import { readChecksum } from "./checksum.ts";
import type { Engine } from "./engine.ts";
import { checkReadable } from "./features.ts";
import { readLastCheckpoint } from "./last-checkpoint.ts";
import { listLog } from "./listing.ts";
import { parseSchema } from "./schema.ts";
import { loadSnapshot, type Totals, totalsOf } from "./snapshot.ts";

/** What there is to say of a table's newest version without its files. */
export interface Summary {
	readonly url: string;
	readonly version: number;
	readonly protocol: Protocol;
	readonly metadata: Metadata;
	readonly schema: StructType;
	readonly txns: readonly SetTransaction[];
	readonly totals: Totals;
}

/**
 * The newest version's checksum file where there is one, two requests; else the log is replayed.
 * `undefined` when there is no table.
 * @throws DeltaError as `loadSnapshot`
 */
export async function loadSummary(
	engine: Engine,
): Promise<Summary | undefined> {
	const { url } = engine.store;
	const listing = await listLog(engine, {
		from: await readLastCheckpoint(engine),
	});
	const version = listing.commits.at(-1)?.version;
	if (version !== undefined && listing.checksums.has(version)) {
		const checksum = await readChecksum(engine, version);
		if (checksum?.setTransactions !== undefined) {
			checkReadable(checksum.protocol, url);
			return {
				url,
				version,
				protocol: checksum.protocol,
				metadata: checksum.metadata,
				schema: parseSchema(checksum.metadata.schemaString, url),
				txns: checksum.setTransactions,
				totals: { files: checksum.numFiles, bytes: checksum.tableSizeBytes },
			};
		}
	}
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) return undefined;
	const { protocol, metadata, schema, txns } = snapshot;
	return {
		url,
		version: snapshot.version,
		protocol,
		metadata,
		schema,
		txns: [...txns.values()],
		totals: totalsOf(snapshot),
	};
}
