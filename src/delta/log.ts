import type { Action, CheckpointMetadata, Sidecar } from "./actions.ts";
import { DeltaError } from "./errors.ts";

export const LOG = "_delta_log/";
export const LAST_CHECKPOINT = `${LOG}_last_checkpoint`;
export const SIDECARS = `${LOG}_sidecars/`;

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

export function checksumPath(version: number): string {
	return `${LOG}${padded(version)}.crc`;
}

export function compactedPath(from: number, to: number): string {
	return `${LOG}${padded(from)}.${padded(to)}.compacted.json`;
}

export type LogFile =
	| { readonly kind: "commit"; readonly version: number }
	| { readonly kind: "checksum"; readonly version: number }
	/** Replaces the commits from `version` to `to`. */
	| {
			readonly kind: "compacted";
			readonly version: number;
			readonly to: number;
	  }
	| {
			readonly kind: "checkpoint";
			readonly version: number;
			readonly part: number;
			readonly parts: number;
			/** Of a V2 checkpoint that is named by UUID. */
			readonly uuid?: string;
			readonly format: "parquet" | "json";
	  };

const NAME =
	/^(\d{20})\.(?:(json)|(crc)|(\d{20})\.compacted\.json|checkpoint(?:\.(\d{10})\.(\d{10})|\.([0-9a-fA-F-]{36}))?\.(parquet|json))$/;

/** What a path below `_delta_log/` is; `undefined` for anything that a reader passes over. */
export function parseLogPath(path: string): LogFile | undefined {
	const match = NAME.exec(path.slice(LOG.length));
	if (match === null) return undefined;
	const version = Number(match[1]);
	if (!Number.isSafeInteger(version)) return undefined;
	if (match[2] !== undefined) return { kind: "commit", version };
	if (match[3] !== undefined) return { kind: "checksum", version };
	if (match[4] !== undefined) {
		const to = Number(match[4]);
		return to > version && Number.isSafeInteger(to)
			? { kind: "compacted", version, to }
			: undefined;
	}
	const uuid = match[7];
	const format = match[8] === "json" ? "json" : "parquet";
	if (format === "json" && uuid === undefined) return undefined;
	return {
		kind: "checkpoint",
		version,
		part: Number(match[5] ?? 1),
		parts: Number(match[6] ?? 1),
		...(uuid === undefined ? {} : { uuid }),
		format,
	};
}

type Required = readonly (readonly [field: string, type: string])[];

/** Which fields an action can't do without, and of which type they are. */
const COMMIT_ACTIONS: ReadonlyMap<string, Required> = new Map<string, Required>(
	[
		["add", [["path", "string"]]],
		["remove", [["path", "string"]]],
		["metaData", [["schemaString", "string"]]],
		[
			"protocol",
			[
				["minReaderVersion", "number"],
				["minWriterVersion", "number"],
			],
		],
		[
			"txn",
			[
				["appId", "string"],
				["version", "number"],
			],
		],
		["domainMetadata", [["domain", "string"]]],
		["cdc", [["path", "string"]]],
		["commitInfo", []],
	],
);

const CHECKPOINT_ACTIONS: ReadonlyMap<string, Required> = new Map<
	string,
	Required
>([
	...COMMIT_ACTIONS,
	["checkpointMetadata", []],
	[
		"sidecar",
		[
			["path", "string"],
			["sizeInBytes", "number"],
		],
	],
]);

const UTF8 = new TextDecoder();

/** Actions that only a V2 checkpoint holds. */
export type CheckpointAction =
	| { readonly checkpointMetadata: CheckpointMetadata }
	| { readonly sidecar: Sidecar };

/**
 * Actions of a commit file, one JSON object per line; unknown actions are passed over, as the
 * protocol demands.
 * @throws DeltaError DELTA_LOG_INVALID naming the line
 */
export function parseCommit(bytes: Uint8Array, path: string): Action[] {
	return parseLines(bytes, path, COMMIT_ACTIONS) as Action[];
}

/**
 * Actions of a V2 checkpoint in JSON.
 * @throws DeltaError DELTA_LOG_INVALID naming the line
 */
export function parseCheckpointLines(
	bytes: Uint8Array,
	path: string,
): (Action | CheckpointAction)[] {
	return parseLines(bytes, path, CHECKPOINT_ACTIONS) as (
		| Action
		| CheckpointAction
	)[];
}

function parseLines(
	bytes: Uint8Array,
	path: string,
	known: ReadonlyMap<string, Required>,
): object[] {
	const found: object[] = [];
	const lines = UTF8.decode(bytes).split("\n");
	for (let i = 0; i < lines.length; i++) {
		const line = lines[i] as string;
		if (line.trim() === "") continue;
		let parsed: unknown;
		try {
			parsed = JSON.parse(line);
		} catch (cause) {
			throw invalid(path, i, "not JSON", cause);
		}
		if (!isObject(parsed)) throw invalid(path, i, "not an action");
		const name = nameOf(parsed, known);
		if (name === undefined) continue;
		const action = parsed[name] as Record<string, unknown>;
		for (const [field, type] of known.get(name) ?? [])
			if (typeof action[field] !== type)
				throw invalid(path, i, `${name} has no ${field} of type ${type}`);
		found.push(withoutNulls(parsed, name, action));
	}
	return found;
}

function invalid(
	path: string,
	line: number,
	what: string,
	cause?: unknown,
): DeltaError {
	return new DeltaError(
		"DELTA_LOG_INVALID",
		`${path}, line ${line + 1}: ${what}`,
		{ cause },
	);
}

/** What a line holds; writers that put `null` for what it does not hold are among us. */
function nameOf(
	line: Record<string, unknown>,
	known: ReadonlyMap<string, Required>,
): string | undefined {
	for (const name in line)
		if (known.has(name) && isObject(line[name])) return name;
	return undefined;
}

/** Some writers put `null` where others leave a field out. */
function withoutNulls(
	line: Record<string, unknown>,
	name: string,
	action: Record<string, unknown>,
): object {
	let clean = action;
	for (const field in action)
		if (action[field] === null) {
			if (clean === action) clean = { ...action };
			delete clean[field];
		}
	if (name === "add" || name === "remove" || name === "cdc") {
		if (!isObject(clean.partitionValues) && name !== "remove")
			clean = { ...clean, partitionValues: {} };
	} else if (name === "metaData" && !isObject(clean.configuration))
		clean = { ...clean, configuration: {} };
	return clean === action && Object.keys(line).length === 1
		? line
		: { [name]: clean };
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function serialiseCommit(actions: readonly object[]): Uint8Array {
	return new TextEncoder().encode(
		actions.map((action) => `${JSON.stringify(action)}\n`).join(""),
	);
}
