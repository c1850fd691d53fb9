import { NotFoundError } from "../storage/errors.ts";
import type {
	DomainMetadata,
	Metadata,
	Protocol,
	SetTransaction,
} from "./actions.ts";
import type { Engine } from "./engine.ts";
import { inCommitTimestamps } from "./in-commit-timestamp.ts";
import { checksumPath } from "./log.ts";
import { type Snapshot, totalsOf } from "./snapshot.ts";

/** What a version checksum file says of its version (PROTOCOL.md, "Version Checksum File"). */
export interface Checksum {
	readonly tableSizeBytes: number;
	readonly numFiles: number;
	readonly numMetadata: 1;
	readonly numProtocol: 1;
	readonly metadata: Metadata;
	readonly protocol: Protocol;
	readonly inCommitTimestampOpt?: number;
	readonly setTransactions?: readonly SetTransaction[];
	readonly domainMetadata?: readonly DomainMetadata[];
}

/** Writes the checksum of a published version; one that is there stays. */
export async function writeChecksum(
	engine: Engine,
	snapshot: Snapshot,
): Promise<void> {
	const { files, bytes } = totalsOf(snapshot);
	const checksum: Checksum = {
		tableSizeBytes: bytes,
		numFiles: files,
		numMetadata: 1,
		numProtocol: 1,
		...(inCommitTimestamps(snapshot.metadata) &&
		snapshot.timestamp !== undefined
			? { inCommitTimestampOpt: snapshot.timestamp }
			: {}),
		setTransactions: [...snapshot.txns.values()],
		domainMetadata: [...snapshot.domains.values()].filter(
			({ removed }) => !removed,
		),
		metadata: snapshot.metadata,
		protocol: snapshot.protocol,
	};
	const outcome = await engine.store.putIfAbsent(
		checksumPath(snapshot.version),
		new TextEncoder().encode(JSON.stringify(checksum)),
	);
	// Without it readers replay the log: nothing has to be settled.
	if (outcome.kind === "unknown") throw outcome.cause;
}

/** `undefined` when there is none, or one that is not valid: it is a short cut only. */
export async function readChecksum(
	engine: Engine,
	version: number,
): Promise<Checksum | undefined> {
	let text: string;
	try {
		text = new TextDecoder().decode(
			await engine.store.get(checksumPath(version)),
		);
	} catch (error) {
		if (error instanceof NotFoundError) return undefined;
		throw error;
	}
	try {
		const parsed = JSON.parse(text) as Partial<Checksum>;
		const whole =
			count(parsed.tableSizeBytes) &&
			count(parsed.numFiles) &&
			parsed.numMetadata === 1 &&
			parsed.numProtocol === 1 &&
			typeof parsed.metadata?.schemaString === "string" &&
			typeof parsed.protocol?.minReaderVersion === "number";
		return whole ? (parsed as Checksum) : undefined;
	} catch {
		return undefined;
	}
}

function count(value: unknown): boolean {
	return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
