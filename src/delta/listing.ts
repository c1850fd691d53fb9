import type { CheckpointParts } from "./checkpoint-read.ts";
import type { Engine } from "./engine.ts";
import { LOG, padded, parseLogPath } from "./log.ts";

/** A file of the log by its version, with what the store says of it. */
export interface ListedVersion {
	readonly version: number;
	/** Milliseconds since the epoch, by the store's clock. */
	readonly modified: number;
}

export interface CompactedFile {
	readonly from: number;
	readonly to: number;
}

/** What a listing of `_delta_log/` shows. */
export interface Listing {
	/** Ascending. */
	readonly commits: readonly ListedVersion[];
	/** Ascending by version; complete ones only. */
	readonly checkpoints: readonly CheckpointParts[];
	readonly compacted: readonly CompactedFile[];
	readonly checksums: ReadonlySet<number>;
}

/** Lists the log files of the versions `from` to `to`. */
export async function listLog(
	engine: Engine,
	range: { readonly from?: number | undefined; readonly to?: number } = {},
): Promise<Listing> {
	const commits: ListedVersion[] = [];
	const compacted: CompactedFile[] = [];
	const checksums = new Set<number>();
	const checkpoints: CheckpointParts[] = [];
	const multi = new Map<string, string[]>();
	// Everything from a version on; "." sorts before any digit or letter that may follow.
	const options =
		range.from === undefined
			? {}
			: { startAfter: `${LOG}${padded(range.from)}.` };
	for await (const object of engine.store.list(LOG, options)) {
		// Versions come first; sidecars and hints, which may be many, sort behind them.
		if (object.path.charCodeAt(LOG.length) > 0x39) break;
		const file = parseLogPath(object.path);
		if (file === undefined) continue;
		const { version } = file;
		if (range.to !== undefined && version > range.to) break;
		switch (file.kind) {
			case "commit":
				commits.push({ version, modified: object.modified });
				break;
			case "checksum":
				checksums.add(version);
				break;
			case "compacted":
				compacted.push({ from: version, to: file.to });
				break;
			case "checkpoint": {
				if (file.parts === 1) {
					checkpoints.push({
						version,
						paths: [object.path],
						format: file.format,
					});
					break;
				}
				// With fewer parts than announced it is none.
				const key = `${version}/${file.parts}`;
				const paths = [...(multi.get(key) ?? []), object.path];
				multi.set(key, paths);
				if (paths.length === file.parts)
					checkpoints.push({ version, paths, format: file.format });
			}
		}
	}
	checkpoints.sort((a, b) => a.version - b.version);
	return { commits, checkpoints, compacted, checksums };
}
