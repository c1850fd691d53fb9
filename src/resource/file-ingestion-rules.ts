import type { ValidationRule } from "./crd.ts";
import { type CrossFieldRule, immutable, immutableOptional } from "./rules.ts";
import { notOfTheSystem, type SchedulingRuled } from "./scheduling.ts";

/** `metadata.name` of an ingestion. */
export const INGESTION_NAME = /^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$/;

/** Rules about the whole resource. */
export const fileIngestionObjectRules: readonly ValidationRule[] = [
	{
		rule: `self.metadata.name.matches('${INGESTION_NAME.source}')`,
		message:
			"metadata.name must be at most 45 lower-case letters, digits or '-', and start with a letter: the names of pods come from it",
	},
];

interface RuledSpec {
	readonly source: {
		readonly location: string;
		readonly modifiedAfter?: string | undefined;
		readonly modifiedBefore?: string | undefined;
	};
	readonly sink: { readonly location: string };
	readonly format: {
		readonly csv: { readonly delimiter: string; readonly quote: string };
	};
	readonly state: {
		readonly connectionSecretRef?: unknown;
		readonly storageClassName?: unknown;
	};
	readonly worker: SchedulingRuled & { readonly replicas: number };
}

export const fileIngestionRules: readonly CrossFieldRule<RuledSpec>[] = [
	{
		rule: "self.worker.replicas <= 1 || has(self.state.connectionSecretRef)",
		message:
			"worker.replicas above 1 needs state.connectionSecretRef: workers share files through a PostgreSQL database",
		path: ["worker", "replicas"],
		holds: ({ worker, state }) =>
			worker.replicas <= 1 || state.connectionSecretRef !== undefined,
	},
	{
		rule: "!has(self.state.storageClassName) || !has(self.state.connectionSecretRef)",
		message:
			"state.storageClassName is for a state that the worker keeps itself: leave it out, or state.connectionSecretRef",
		path: ["state", "storageClassName"],
		holds: ({ state }) =>
			state.storageClassName === undefined ||
			state.connectionSecretRef === undefined,
	},
	{
		rule: "self.sink.location != self.source.location",
		message:
			"sink.location must not be source.location: the table's own files would be loaded",
		path: ["sink", "location"],
		holds: ({ sink, source }) => sink.location !== source.location,
	},
	{
		rule: "self.format.csv.delimiter != self.format.csv.quote",
		message: "format.csv.delimiter and format.csv.quote must be two characters",
		path: ["format", "csv", "quote"],
		holds: ({ format }) => format.csv.delimiter !== format.csv.quote,
	},
	{
		rule: "!has(self.source.modifiedAfter) || !has(self.source.modifiedBefore) || self.source.modifiedAfter < self.source.modifiedBefore",
		message: "source.modifiedAfter must be before source.modifiedBefore",
		path: ["source", "modifiedBefore"],
		holds: ({ source: { modifiedAfter, modifiedBefore } }) =>
			modifiedAfter === undefined ||
			modifiedBefore === undefined ||
			modifiedAfter < modifiedBefore,
	},
	notOfTheSystem("worker"),
];

export const fileIngestionImmutableRules: readonly ValidationRule[] = [
	immutable(
		"sink.location",
		"the table there says which files it has; make a new FileIngestion instead",
	),
	immutableOptional(
		"state.storageClassName",
		"the volume claims of running workers are for good; make a new FileIngestion instead",
	),
];

const TYPES = new Set([
	"string",
	"long",
	"integer",
	"short",
	"byte",
	"double",
	"float",
	"boolean",
	"binary",
	"date",
	"timestamp",
	"timestamp_ntz",
]);

/** Whether a column can be given this type. */
export function isColumnType(text: string): boolean {
	if (TYPES.has(text)) return true;
	const [, precision = "", scale = ""] =
		/^decimal\((\d{1,2}),(\d{1,2})\)$/.exec(text) ?? [];
	return (
		precision !== "" &&
		Number(precision) >= 1 &&
		Number(precision) <= 38 &&
		Number(scale) <= Number(precision)
	);
}

/** Whether a glob ends what it begins. */
export function isGlob(text: string): boolean {
	let braces = 0;
	for (let i = 0; i < text.length; i++)
		switch (text[i]) {
			case "\\":
				if (++i === text.length) return false;
				break;
			case "[": {
				const end = text.indexOf("]", i + 2);
				if (end < 0) return false;
				i = end;
				break;
			}
			case "{":
				braces++;
				break;
			case "}":
				if (braces > 0) braces--;
		}
	return braces === 0;
}
