import type { Action } from "./actions.ts";
import { DeltaError } from "./errors.ts";

export const LOG = "_delta_log/";
export const LAST_CHECKPOINT = `${LOG}_last_checkpoint`;

/** Versions are written with 20 digits, so that names sort as numbers do. */
export function padded(version: number): string {
	return String(version).padStart(20, "0");
}

export function commitPath(version: number): string {
	return `${LOG}${padded(version)}.json`;
}

export function checkpointPath(version: number): string {
	return `${LOG}${padded(version)}.checkpoint.parquet`;
}

export type LogFile =
	| { readonly kind: "commit"; readonly version: number }
	| {
			readonly kind: "checkpoint";
			readonly version: number;
			readonly part: number;
			readonly parts: number;
	  };

/** What a path below `_delta_log/` is; `undefined` for anything that a reader passes over. */
export function parseLogPath(path: string): LogFile | undefined {
	const name = path.slice(LOG.length);
	const commit = /^(\d{20})\.json$/.exec(name);
	if (commit !== null) return { kind: "commit", version: Number(commit[1]) };
	const checkpoint =
		/^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$/.exec(name);
	if (checkpoint === null) return undefined;
	return {
		kind: "checkpoint",
		version: Number(checkpoint[1]),
		part: Number(checkpoint[2] ?? 1),
		parts: Number(checkpoint[3] ?? 1),
	};
}

const KNOWN = [
	"add",
	"remove",
	"metaData",
	"protocol",
	"txn",
	"domainMetadata",
	"cdc",
	"commitInfo",
];

/**
 * Actions of a commit file, one JSON object per line; unknown actions are passed over, as the
 * protocol demands.
 * @throws DeltaError DELTA_LOG_INVALID naming the line
 */
export function parseCommit(bytes: Uint8Array, path: string): Action[] {
	const actions: Action[] = [];
	const lines = new TextDecoder().decode(bytes).split("\n");
	for (const [number, line] of lines.entries()) {
		if (line.trim() === "") continue;
		let parsed: unknown;
		try {
			parsed = JSON.parse(line);
		} catch (cause) {
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`${path}, line ${number + 1}: not JSON`,
				{ cause },
			);
		}
		if (typeof parsed !== "object" || parsed === null)
			throw new DeltaError(
				"DELTA_LOG_INVALID",
				`${path}, line ${number + 1}: not an action`,
			);
		if (KNOWN.some((name) => name in parsed)) actions.push(parsed as Action);
	}
	return actions;
}

export function serialiseCommit(actions: readonly Action[]): Uint8Array {
	return new TextEncoder().encode(
		actions.map((action) => `${JSON.stringify(action)}\n`).join(""),
	);
}
