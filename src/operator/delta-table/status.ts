import {
	type Condition,
	type ConditionNow,
	transition,
} from "../../kube/conditions.ts";
import type { CdcPipelineStatus } from "../../resource/cdc-pipeline-status.ts";
import type { DeltaTable } from "../../resource/delta-table.ts";
import type {
	Applied,
	DeltaTableStatus,
} from "../../resource/delta-table-status.ts";
import { overrides } from "../../resource/maintenance.ts";
import type { Operation } from "../names.ts";
import type { TablePlan } from "./decide.ts";
import type { TableFacts } from "./facts.ts";
import type { Misplaced, TablePlace } from "./place.ts";
import { READY, TABLE_REASONS } from "./reasons.ts";

export interface Moment {
	readonly before: DeltaTableStatus | undefined;
	readonly generation: number;
	readonly at: Date;
}

export interface TableStatusInput extends Moment {
	readonly table: DeltaTable;
	readonly place: TablePlace;
	readonly facts: TableFacts;
	readonly plan: TablePlan;
	/** What the pipeline's writers tell of the table. */
	readonly written:
		| NonNullable<CdcPipelineStatus["tables"]>[number]
		| undefined;
	/** What keeps a Job from being made, or its pod from running. */
	readonly hindered: Misplaced | undefined;
}

/** The status of a table after a reconcile. Pure. */
export function tableStatus(input: TableStatusInput): DeltaTableStatus {
	const { table, place, facts, plan, before, at, generation } = input;
	const { phase, ready } = judged(input);
	const from = (operation: Operation) =>
		overrides(table.spec.maintenance, operation)
			? ("Table" as const)
			: place.inheritedFrom;
	const { optimize, vacuum } = plan.settings;
	return {
		phase,
		observedGeneration: generation,
		conditions: transition(
			(before?.conditions ?? []) as Condition[],
			[{ type: READY, ...ready }],
			{ at, generation },
		),
		location: place.location,
		...figures(input),
		maintenance: {
			optimize: { from: from("optimize"), ...optimize },
			vacuum: { from: from("vacuum"), ...vacuum },
		},
		...(facts.optimize && { optimize: facts.optimize }),
		...(facts.vacuum && { vacuum: facts.vacuum }),
		...(facts.applied && { applied: facts.applied }),
	};
}

/** The status of a table about which nothing can be done. */
export function helplessStatus(
	{ reason, message }: Misplaced,
	{ before, generation, at }: Moment,
): DeltaTableStatus {
	return {
		...before,
		phase: "Pending",
		observedGeneration: generation,
		conditions: transition(
			(before?.conditions ?? []) as Condition[],
			[{ type: READY, status: "False", reason, message }],
			{ at, generation },
		),
	};
}

type Judgement = {
	readonly phase: NonNullable<DeltaTableStatus["phase"]>;
	readonly ready: Omit<ConditionNow, "type">;
};

function judged(input: TableStatusInput): Judgement {
	const { table, plan, facts, written, hindered } = input;
	const no = (
		phase: Judgement["phase"],
		reason: string,
		message: string,
	): Judgement => ({ phase, ready: { status: "False", reason, message } });
	if (hindered !== undefined)
		return no("Pending", hindered.reason, hindered.message);
	const { pipelineRef, path } = table.spec;
	if (pipelineRef !== undefined && written?.version === undefined)
		return no(
			"Pending",
			TABLE_REASONS.notWritten,
			`no writer of CdcPipeline ${pipelineRef.name} has told of ${path} yet: see the pipeline's condition Ready`,
		);
	if (plan.hash === undefined)
		return {
			phase: "Ready",
			ready: {
				status: "True",
				reason: TABLE_REASONS.written,
				message: `CdcPipeline ${pipelineRef?.name} writes the table`,
			},
		};
	const { applied } = facts;
	if (applied?.hash !== plan.hash)
		return no(
			"Applying",
			TABLE_REASONS.applying,
			"a Job brings the table to its specification",
		);
	return judgedRun(applied, no);
}

function judgedRun(
	{ result, message, dryRun, changes = [] }: Applied,
	no: (phase: Judgement["phase"], reason: string, message: string) => Judgement,
): Judgement {
	switch (result) {
		case "Refused":
			return no(
				"Refused",
				TABLE_REASONS.refused,
				`the table is as before: ${message}`,
			);
		case "Failed":
			return no(
				"Failed",
				TABLE_REASONS.applyFailed,
				`another try comes within a minute: ${message}`,
			);
		case "Succeeded":
			if (dryRun === true && changes.length > 0)
				return no(
					"Pending",
					TABLE_REASONS.planned,
					`set dryRun: false to make ${changes.length} changes: ${changes.join("; ")}`,
				);
			return {
				phase: "Ready",
				ready: {
					status: "True",
					reason: TABLE_REASONS.applied,
					message: "the table is as its specification says",
				},
			};
	}
}

type Figures = Pick<
	DeltaTableStatus,
	"version" | "rows" | "files" | "bytes" | "size" | "lastCommit" | "observed"
>;

/**
 * The newest of what the writers tell, what a run saw, and what was known: an idle writer does not look at
 * what maintenance committed since, and the pods of a run go.
 */
function figures({ written, facts, before }: TableStatusInput): Figures {
	const { seen } = facts;
	const told: Figures[] = [];
	if (before?.version !== undefined) {
		const { version, rows, files, bytes, size, lastCommit, observed } = before;
		told.push(
			known({ version, rows, files, bytes, size, lastCommit, observed }),
		);
	}
	if (seen !== undefined)
		told.push(
			known({
				rows: undefined,
				lastCommit: undefined,
				...seen.figures,
				size: sizeText(seen.figures.bytes),
				observed: seen.at,
			}),
		);
	if (written?.version !== undefined) {
		const { version, tableRows: rows, files, bytes, lastCommit } = written;
		const size = sizeText(bytes);
		told.push(
			known({
				...{ version, rows, files, bytes, size, lastCommit },
				observed: undefined,
			}),
		);
	}
	return told.reduce((a, b) => (isNewer(a, b) ? a : b), {});
}

/** By time, for a table that was made anew has lower versions. */
function isNewer(a: Figures, b: Figures): boolean {
	const first = Date.parse(a.lastCommit ?? "");
	const second = Date.parse(b.lastCommit ?? "");
	return Number.isNaN(first) || Number.isNaN(second) || first === second
		? (a.version ?? -1) > (b.version ?? -1)
		: first > second;
}

function known(
	values: { [K in keyof Figures]: Figures[K] | undefined },
): Figures {
	return Object.fromEntries(
		Object.entries(values).filter(([, value]) => value !== undefined),
	) as Figures;
}

/** Bytes as people read them. */
export function sizeText(bytes: number | undefined): string | undefined {
	if (bytes === undefined) return undefined;
	let [value, unit] = [bytes, 0];
	for (; value >= 1024 && unit < UNITS.length - 1; unit++) value /= 1024;
	return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit]}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** The status without the figures of a live table. */
export function lastingTableStatus(
	status: DeltaTableStatus | undefined,
): object {
	const {
		version,
		rows: _rows,
		files: _files,
		bytes: _bytes,
		size: _size,
		lastCommit: _lastCommit,
		observed: _observed,
		...rest
	} = status ?? {};
	// That there are figures at all is news.
	return { ...rest, known: version !== undefined };
}
