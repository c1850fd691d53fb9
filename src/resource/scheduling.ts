import { z } from "zod";
import type { CrossFieldRule } from "./rules.ts";

const text = (most: number) => z.string().min(1).max(most);

const toleration = z.strictObject({
	key: text(317)
		.optional()
		.describe("Key of the taint; every taint without it."),
	operator: z
		.enum(["Equal", "Exists"])
		.optional()
		.describe("Equal, the default, compares the value; Exists does not."),
	value: z.string().max(63).optional().describe("Value of the taint."),
	effect: z
		.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"])
		.optional()
		.describe("Effect of the taint; every effect without it."),
	tolerationSeconds: z
		.int()
		.min(0)
		.max(Number.MAX_SAFE_INTEGER)
		.optional()
		.describe("With NoExecute: how long the pod stays."),
});

/** Where pods run; the fields are those of a Kubernetes pod. */
export const scheduling = z
	.strictObject({
		nodeSelector: z
			.record(text(317), z.string().max(63))
			.default({})
			.describe("Labels that a node must have."),
		tolerations: z
			.array(toleration)
			.max(20)
			.default([])
			.describe("Taints of nodes that do not keep the pods away."),
		priorityClassName: z
			.string()
			.max(253)
			.regex(
				/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/,
				"must be the name of a PriorityClass",
			)
			.optional()
			.describe(
				"A PriorityClass: who is scheduled first, and who makes room. Those of the system can't be used.",
			),
	})
	.prefault({});

export type Scheduling = z.infer<typeof scheduling>;

/**
 * Pods of the system's classes push others from their node, and whoever may write a pipeline need not be
 * allowed to make such.
 */
export function notOfTheSystem<Field extends string>(
	field: Field,
): CrossFieldRule<Readonly<Record<Field, SchedulingRuled>>> {
	const name = `${field}.scheduling.priorityClassName`;
	return {
		rule: `!has(self.${name}) || !self.${name}.startsWith('system-')`,
		message: `${name} must not be one of the system's classes: name one that is made for this`,
		path: name.split("."),
		holds: (spec) =>
			spec[field].scheduling.priorityClassName?.startsWith("system-") !== true,
	};
}

export interface SchedulingRuled {
	readonly scheduling: {
		readonly priorityClassName?: string | undefined;
	};
}
