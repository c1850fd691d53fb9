import type { ValidationRule } from "./crd.ts";
import { TABLE_NAME } from "./delta-table-rules.ts";
import { parseDuration } from "./quantity.ts";
import type { CrossFieldRule } from "./rules.ts";

export const OPERATION_NAME = TABLE_NAME;

export const operationObjectRules: readonly ValidationRule[] = [
	{
		rule: "size(self.metadata.name) <= 63",
		message:
			"metadata.name must be at most 63 letters: it goes into the labels of the operation's Job",
	},
];

/** The part of a specification that rules across fields look at. */
interface RuledOperation {
	readonly type: string;
	readonly dryRun: boolean;
	readonly optimize?: object | undefined;
	readonly vacuum?:
		| {
				readonly retention?: string | undefined;
				readonly allowShortRetention: boolean;
		  }
		| undefined;
	readonly restore?:
		| {
				readonly version?: number | undefined;
				readonly timestamp?: string | undefined;
		  }
		| undefined;
}

const WEEK_MS = 7 * 86_400_000;

const sectionOf = (
	type: "optimize" | "vacuum" | "restore",
): CrossFieldRule<RuledOperation> => ({
	rule: `!has(self.${type}) || self.type == '${type}'`,
	message: `${type} goes with type ${type} only: remove it, or change type`,
	path: [type],
	holds: (spec) => spec[type] === undefined || spec.type === type,
});

export const operationRules: readonly CrossFieldRule<RuledOperation>[] = [
	sectionOf("optimize"),
	sectionOf("vacuum"),
	sectionOf("restore"),
	{
		rule: "self.type != 'restore' || (has(self.restore) && has(self.restore.version) != has(self.restore.timestamp))",
		message:
			"type restore needs one of restore.version and restore.timestamp: what to go back to",
		path: [],
		holds: ({ type, restore }) =>
			type !== "restore" ||
			(restore?.version === undefined) !== (restore?.timestamp === undefined),
	},
	{
		rule: "self.type != 'checkpoint' || !self.dryRun",
		message:
			"dryRun does not go with type checkpoint: a checkpoint changes no row and deletes nothing",
		path: ["dryRun"],
		holds: ({ type, dryRun }) => type !== "checkpoint" || !dryRun,
	},
	{
		rule: "self.dryRun || !has(self.vacuum) || !has(self.vacuum.retention) || self.vacuum.allowShortRetention || (self.vacuum.retention.endsWith('d') ? int(self.vacuum.retention.replace('d', '')) >= 7 : duration(self.vacuum.retention) >= duration('168h'))",
		message:
			"vacuum.retention below 168h deletes files that readers of older versions and writers at work may need: keep 168h, look with dryRun: true, or set vacuum.allowShortRetention: true",
		path: ["vacuum"],
		holds: ({ dryRun, vacuum }) =>
			dryRun ||
			vacuum?.retention === undefined ||
			vacuum.allowShortRetention ||
			parseDuration(vacuum.retention) >= WEEK_MS,
	},
];

export const operationImmutableRules: readonly ValidationRule[] = [
	{
		rule: "self == oldSelf",
		message:
			"a TableOperation runs once and can't be changed: make a new one, with another name",
		reason: "FieldValueInvalid",
	},
];
