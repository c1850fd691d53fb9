import { z } from "zod";

/** A moment, as RFC 3339 writes it. */
export const time = z.string().max(64);

/** A condition as `meta/v1` defines it. */
export const condition = z.strictObject({
	type: z.string().max(316).describe("What it is about."),
	status: z.enum(["True", "False", "Unknown"]).describe("Whether it is so."),
	observedGeneration: z
		.int()
		.min(0)
		.max(Number.MAX_SAFE_INTEGER)
		.optional()
		.describe("Generation of the specification that it is about."),
	lastTransitionTime: time
		.meta({ format: "date-time" })
		.describe("Since when the status is what it is."),
	reason: z.string().max(1024).describe("Why, in one word for machines."),
	message: z.string().max(32_768).describe("Why, and what to do."),
});

export const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Conditions by type; `types` tells which there are. */
export function conditions(types: string) {
	return z
		.array(condition)
		.max(16)
		.optional()
		.meta({
			"x-kubernetes-list-type": "map",
			"x-kubernetes-list-map-keys": ["type"],
		})
		.describe(types);
}

export const observedGeneration = count
	.optional()
	.describe("Generation of the specification that this status is about.");
