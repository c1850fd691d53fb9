import { inferSchema } from "../columnar/parquet/inference.ts";
import {
	bytesFile,
	type FetchedRowGroup,
	fetchRowGroups,
	type RandomAccess,
} from "../columnar/parquet/read.ts";
import type { DataType, StructType } from "../columnar/types.ts";
import { valueAt } from "../columnar/value.ts";
import type { StructVector, Value } from "../columnar/vector.ts";
import type {
	Action,
	AddFile,
	CheckpointMetadata,
	DomainMetadata,
	Metadata,
	Protocol,
	RemoveFile,
	SetTransaction,
	Sidecar,
} from "./actions.ts";
import {
	addColumns,
	fileViews,
	PARSED_STATS,
	removeColumns,
} from "./checkpoint-files.ts";
import { joined, TABLE_ACTIONS, V2_ACTIONS } from "./checkpoint-schema.ts";
import type { Engine } from "./engine.ts";
import { DeltaError } from "./errors.ts";
import { fileKey } from "./file-key.ts";
import type { KeyedMap } from "./keyed-map.ts";
import {
	type CheckpointAction,
	parseCheckpointLines,
	SIDECARS,
} from "./log.ts";

/** The state that a checkpoint holds. */
export interface Checkpoint {
	readonly protocol: Protocol | undefined;
	readonly metadata: Metadata | undefined;
	readonly txns: readonly SetTransaction[];
	readonly domains: readonly DomainMetadata[];
	readonly adds: KeyedMap<AddFile>;
	readonly removes: KeyedMap<RemoveFile>;
	/** Of a V2 checkpoint: its sidecars and what each of them holds. */
	readonly sidecars: readonly {
		readonly sidecar: Sidecar;
		readonly adds: KeyedMap<AddFile>;
		readonly removes: KeyedMap<RemoveFile>;
	}[];
}

/** One checkpoint: its part or parts. */
export interface CheckpointParts {
	readonly version: number;
	readonly paths: readonly string[];
	readonly format: "parquet" | "json";
}

type SmallAction = Exclude<
	Action,
	{ add: unknown } | { remove: unknown } | { cdc: unknown }
>;

/**
 * Reads a classic, multi-part or V2 checkpoint (PROTOCOL.md, "Checkpoints"). File actions stay in
 * columns; everything else is small.
 * @throws DeltaError DELTA_LOG_INVALID when it is no checkpoint or a sidecar of it is missing
 */
export async function readCheckpoint(
	engine: Engine,
	parts: CheckpointParts,
): Promise<Checkpoint> {
	const small: (SmallAction | CheckpointAction)[] = [];
	const groups: FetchedRowGroup[] = [];
	const adds = new Map<string, AddFile>();
	const removes = new Map<string, RemoveFile>();
	if (parts.format === "json")
		for (const path of parts.paths)
			for (const action of parseCheckpointLines(
				await engine.store.get(path),
				path,
			)) {
				if ("add" in action)
					adds.set(fileKey(action.add), { ...action.add, dataChange: false });
				else if ("remove" in action)
					removes.set(fileKey(action.remove), action.remove);
				else if (!("cdc" in action)) small.push(action);
			}
	else
		for (const file of await Promise.all(
			parts.paths.map((path) => fetchFile(engine, path, true)),
		)) {
			groups.push(...file.groups);
			small.push(...file.small);
		}

	const of = <T>(name: string): T[] =>
		small.flatMap((action) =>
			name in action
				? [(action as unknown as Record<string, T>)[name] as T]
				: [],
		);
	const listed = of<Sidecar>("sidecar");
	if (
		listed.length > 0 &&
		of<CheckpointMetadata>("checkpointMetadata").length === 0
	)
		throw invalid(
			engine,
			parts.paths[0] ?? "",
			"it has sidecars and no checkpointMetadata",
		);
	const sidecars = await Promise.all(
		listed.map(async (sidecar) => {
			const { groups } = await fetchFile(
				engine,
				sidecarPath(sidecar.path),
				false,
			);
			return { sidecar, groups };
		}),
	);
	for (const sidecar of sidecars) groups.push(...sidecar.groups);
	try {
		return {
			protocol: of<Protocol>("protocol")[0],
			metadata: of<Metadata>("metaData")[0],
			txns: of<SetTransaction>("txn"),
			domains: of<DomainMetadata>("domainMetadata"),
			adds: groups.length === 0 ? adds : addColumns(groups),
			removes: groups.length === 0 ? removes : removeColumns(groups),
			sidecars: sidecars.map(({ sidecar, groups: own }) => ({
				sidecar,
				adds: addColumns(own),
				removes: removeColumns(own),
			})),
		};
	} catch (cause) {
		throw invalid(engine, parts.paths[0] ?? "", "it can't be decoded", cause);
	}
}

/** Paths of the sidecars that a checkpoint refers to, without reading them. */
export async function readSidecars(
	engine: Engine,
	parts: CheckpointParts,
): Promise<string[]> {
	const paths: string[] = [];
	for (const path of parts.paths) {
		const actions =
			parts.format === "json"
				? parseCheckpointLines(await engine.store.get(path), path)
				: (await fetchFile(engine, path, true)).small;
		for (const action of actions)
			if ("sidecar" in action) paths.push(sidecarPath(action.sidecar.path));
	}
	return paths;
}

/** The path of a sidecar below the table's root. */
export function sidecarPath(path: string): string {
	return path.includes("/") ? path : `${SIDECARS}${path}`;
}

const SMALL = joined(TABLE_ACTIONS, V2_ACTIONS);

async function fetchFile(
	engine: Engine,
	path: string,
	withSmall: boolean,
): Promise<{
	groups: FetchedRowGroup[];
	small: (SmallAction | CheckpointAction)[];
}> {
	const bytes = await engine.store.get(path);
	const groups: FetchedRowGroup[] = [];
	const small: (SmallAction | CheckpointAction)[] = [];
	try {
		const views = fileViews(await parsedStatsType(bytesFile(bytes)));
		const fields = withSmall ? [...views, ...SMALL.fields] : views;
		for await (const group of fetchRowGroups(bytesFile(bytes), {
			schema: { type: "struct", fields },
		})) {
			groups.push(group);
			if (!withSmall) continue;
			const { columns } = group.decode(
				SMALL.fields.map((_, i) => views.length + i),
			);
			for (const [i, { name, type }] of SMALL.fields.entries()) {
				const column = columns[i] as StructVector;
				for (let row = 0; row < column.length; row++)
					if (column.validity === undefined || column.validity[row] === 1)
						small.push({
							[name]: plain(valueAt(column, type, row)),
						} as unknown as SmallAction);
			}
		}
	} catch (cause) {
		throw invalid(engine, path, "it is not a readable checkpoint", cause);
	}
	return { groups, small };
}

/** The type of the statistics in struct form, where the file has any; it says the table's schema. */
async function parsedStatsType(
	file: RandomAccess,
): Promise<StructType | undefined> {
	let type: DataType | undefined = await inferSchema(file);
	for (const name of ["add", PARSED_STATS])
		type =
			typeof type === "object" && type.type === "struct"
				? type.fields.find((one) => one.name === name)?.type
				: undefined;
	return typeof type === "object" && type.type === "struct" ? type : undefined;
}

/** A value as an action's JSON form has it: numbers for int64, objects for maps, nulls left out. */
function plain(value: Value): unknown {
	if (typeof value === "bigint") return Number(value);
	if (Array.isArray(value)) return value.map(plain);
	if (value instanceof Map)
		return Object.fromEntries(
			[...value].map(([key, inner]) => [String(key), inner]),
		);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value)
			.filter(([, inner]) => inner !== null)
			.map(([name, inner]) => [name, plain(inner as Value)]),
	);
}

function invalid(
	engine: Engine,
	path: string,
	what: string,
	cause?: unknown,
): DeltaError {
	return new DeltaError(
		"DELTA_LOG_INVALID",
		`${engine.store.url}: ${path}: ${what}`,
		{ cause },
	);
}
