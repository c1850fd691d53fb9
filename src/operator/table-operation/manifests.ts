import type { Manifest } from "../../kube/apply.ts";
import type { OwnerReference } from "../../kube/object.ts";
import type { TableOperation } from "../../resource/table-operation.ts";
import type { WriterImage } from "../cdc-pipeline/stateful-set.ts";
import type { TablePlace } from "../delta-table/place.ts";
import { jobOf, storageVariables } from "../job.ts";
import { LABELS, operationJobName, tableLabels } from "../names.ts";

/** Runs an operation once, with the storage credentials and the service account of its table. */
export function operationJob(
	{ metadata, spec }: TableOperation,
	owner: OwnerReference,
	{
		location,
		storageSecret,
		serviceAccountName,
		resources,
		scheduling,
	}: TablePlace,
	image: WriterImage,
): Manifest & { spec: object } {
	return jobOf(
		{
			namespace: metadata.namespace,
			name: operationJobName(metadata.name),
			labels: {
				...tableLabels(spec.tableRef.name, "operation"),
				[LABELS.operation]: metadata.name,
			},
			owner,
			serviceAccountName,
			resources,
			scheduling,
			args: argumentsOf(spec, location),
			variables: storageVariables(storageSecret),
		},
		image,
	);
}

/** The command line of an operation; every value of a user's stands behind the `=` of its flag. */
export function argumentsOf(
	spec: TableOperation["spec"],
	location: string,
): string[] {
	const { type, dryRun, optimize, vacuum, restore } = spec;
	const flag = (name: string, value: string | number | undefined): string[] =>
		value === undefined ? [] : [`--${name}=${value}`];
	const mark = (name: string, set: boolean | undefined): string[] =>
		set === true ? [`--${name}`] : [];
	const of = (command: string, ...flags: string[]): string[] => [
		"table",
		command,
		location,
		...flags,
		...mark("dry-run", dryRun),
	];
	switch (type) {
		case "optimize":
			return of(
				"optimize",
				...flag("target-file-size", optimize?.targetFileSize),
				...flag("where", optimize?.where),
				...flag("z-order", columnList(optimize?.zOrderBy)),
				...mark("purge", optimize?.purge),
			);
		case "vacuum":
			return of(
				"vacuum",
				...flag("retention", vacuum?.retention),
				...mark("allow-short-retention", vacuum?.allowShortRetention),
			);
		case "restore":
			return of(
				"restore",
				...flag("version", restore?.version),
				...flag("timestamp", restore?.timestamp),
				...mark("keep-positions", restore?.keepPositions),
			);
		case "checkpoint":
			return of("checkpoint");
		case "cleanLog":
			return of("checkpoint", "--clean-log");
	}
}

function columnList(names: readonly string[] | undefined): string | undefined {
	return names === undefined || names.length === 0
		? undefined
		: names.map((name) => `\`${name.replaceAll("`", "``")}\``).join(",");
}
