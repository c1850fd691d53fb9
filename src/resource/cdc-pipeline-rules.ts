import type { ValidationRule } from "./crd.ts";
import { type CrossFieldRule, immutable } from "./rules.ts";
import { notOfTheSystem, type SchedulingRuled } from "./scheduling.ts";

/** `metadata.name` of a pipeline. */
export const PIPELINE_NAME = /^[a-z]([-a-z0-9]{0,43}[a-z0-9])?$/;

/** Rules about the whole resource. */
export const objectRules: readonly ValidationRule[] = [
	{
		rule: `self.metadata.name.matches('${PIPELINE_NAME.source}')`,
		message:
			"metadata.name must be at most 45 lower-case letters, digits or '-', and start with a letter: the names of pods come from it",
	},
];

/** The part of a specification that rules across fields look at. */
export interface RuledSpec {
	readonly sink: {
		readonly writeMode: string;
		readonly history: boolean;
		readonly deletes: string;
		readonly tablePath: string;
	};
	readonly writer: SchedulingRuled;
	readonly kafka: { readonly tls: boolean; readonly caSecretRef?: unknown };
	readonly actions?:
		| {
				readonly resnapshot?:
					| { readonly mode: string; readonly tables: readonly string[] }
					| undefined;
		  }
		| undefined;
}

export const crossFieldRules: readonly CrossFieldRule<RuledSpec>[] = [
	{
		rule: "!self.sink.history || self.sink.writeMode == 'upsert'",
		message:
			"sink.history needs sink.writeMode upsert: append keeps the history already",
		path: ["sink", "history"],
		holds: ({ sink }) => !sink.history || sink.writeMode === "upsert",
	},
	{
		rule: "self.sink.deletes == 'hard' || self.sink.writeMode == 'upsert'",
		message:
			"sink.deletes: soft needs sink.writeMode upsert: append never removes a row",
		path: ["sink", "deletes"],
		holds: ({ sink }) => sink.deletes === "hard" || sink.writeMode === "upsert",
	},
	{
		rule: "self.sink.tablePath.contains('{table}')",
		message:
			"sink.tablePath must contain {table}: without it all tables would share one folder",
		path: ["sink", "tablePath"],
		holds: ({ sink }) => sink.tablePath.includes("{table}"),
	},
	{
		rule: "!self.sink.tablePath.contains('..')",
		message:
			"sink.tablePath must not contain '..': tables stay below sink.location",
		path: ["sink", "tablePath"],
		holds: ({ sink }) => !sink.tablePath.includes(".."),
	},
	{
		rule: "!has(self.kafka.caSecretRef) || self.kafka.tls",
		message: "kafka.caSecretRef needs kafka.tls: true",
		path: ["kafka", "caSecretRef"],
		holds: ({ kafka }) => kafka.caSecretRef === undefined || kafka.tls,
	},
	{
		rule: "!has(self.actions) || !has(self.actions.resnapshot) || (self.actions.resnapshot.mode == 'full') == (size(self.actions.resnapshot.tables) == 0)",
		message:
			"actions.resnapshot needs the names of tables, or mode full without any",
		path: ["actions", "resnapshot", "tables"],
		holds: ({ actions }) =>
			actions?.resnapshot === undefined ||
			(actions.resnapshot.mode === "full") ===
				(actions.resnapshot.tables.length === 0),
	},
	notOfTheSystem("writer"),
];

const IMMUTABLE: Readonly<Record<string, string>> = {
	"source.type": "the topics of another kind of database hold other records",
	"sink.location": "the tables there hold the positions of this pipeline",
	"sink.writeMode": "a mirror and a history are different tables",
	"kafka.topicPrefix": "the positions in the tables belong to these topics",
};

/** Claims of a StatefulSet are for good. */
const VOLUME_RULES: ValidationRule[] = [
	{
		rule: "has(self.writer.keyIndex.storageClassName) == has(oldSelf.writer.keyIndex.storageClassName) && (!has(self.writer.keyIndex.storageClassName) || (self.writer.keyIndex.storageClassName == oldSelf.writer.keyIndex.storageClassName && self.writer.keyIndex.size == oldSelf.writer.keyIndex.size))",
		message:
			"writer.keyIndex.storageClassName, and size with it, can't be changed: the volume claims of running writers are for good; make a new CdcPipeline, or resize the claims themselves",
		fieldPath: ".writer.keyIndex",
		reason: "FieldValueInvalid",
	},
];

/** Fields that identify what a pipeline has already written. */
export const immutableRules: readonly ValidationRule[] = [
	...Object.entries(IMMUTABLE).map(([field, reason]) =>
		immutable(field, `${reason}; make a new CdcPipeline instead`),
	),
	...VOLUME_RULES,
];
