import { z } from "zod";

/** Actions that are taken once for each new value, so that they survive being applied again and again. */

const nonce = z
	.string()
	.min(1)
	.max(63)
	.regex(
		/^[A-Za-z0-9]([-._:A-Za-z0-9]*[A-Za-z0-9])?$/,
		"must be letters, digits, '-', '_', '.' or ':', such as a date",
	);

export const SNAPSHOT_MODES = ["incremental", "blocking", "full"] as const;

export const pipelineActions = z
	.strictObject({
		restart: nonce
			.optional()
			.describe(
				"A new value restarts the connector with its tasks, and the writers one by one.",
			),
		resnapshot: z
			.strictObject({
				nonce: nonce.describe("A new value takes the snapshot, once."),
				tables: z
					.array(
						z
							.string()
							.min(1)
							.max(512)
							.regex(
								/^[^\s,"\\]+$/,
								"must be a name such as shop.orders, without spaces, commas, quotes or backslashes",
							),
					)
					.max(100)
					.default([])
					.describe(
						"What to read again, by the names that spec.source.include captures; empty with mode full.",
					),
				mode: z
					.enum(SNAPSHOT_MODES)
					.default("incremental")
					.describe(
						"incremental: beside the stream, in chunks; blocking: the stream waits for it, and nothing is written to the source; full: the connector forgets its position and reads every table from the start.",
					),
			})
			.optional()
			.describe("Reads tables of the source again."),
	})
	.describe(
		"One-shot actions: each is taken when its nonce gets a new value. A nonce that is there when the pipeline is made counts as done.",
	);

const time = z.string().max(64);

/** What became of the actions that were asked for. */
export const pipelineActionsStatus = z
	.strictObject({
		restart: z
			.strictObject({
				nonce: z.string().max(63).describe("The nonce that it was for."),
				at: time.describe("When the connector was restarted."),
			})
			.optional()
			.describe("The last restart."),
		resnapshot: z
			.strictObject({
				nonce: z.string().max(63).describe("The nonce that it was for."),
				mode: z
					.string()
					.max(32)
					.optional()
					.describe("As it was asked for: incremental, blocking or full."),
				tables: z
					.array(z.string().max(512))
					.max(100)
					.optional()
					.describe("The tables that it was asked for."),
				state: z
					.enum(["Requested", "Running", "Completed", "Failed", "Ignored"])
					.describe(
						"Requested: waits, as the message says, or was told to the connector; Running: it reads; Completed: all of it is in Kafka; Failed: see the message; Ignored: the nonce was there when the pipeline was made.",
					),
				message: z
					.string()
					.max(32_768)
					.optional()
					.describe("What it waits for, or why it failed."),
				requestedAt: time.optional().describe("When the connector was told."),
				notificationsFrom: z
					.int()
					.min(0)
					.max(Number.MAX_SAFE_INTEGER)
					.optional()
					.describe(
						"Where the connector's notifications about it start in their topic.",
					),
				finishedAt: time.optional().describe("When it ended."),
				rows: z
					.int()
					.min(0)
					.max(Number.MAX_SAFE_INTEGER)
					.optional()
					.describe("Rows read of the tables that are complete."),
			})
			.optional()
			.describe("The last snapshot that was asked for."),
	})
	.describe("The last one-shot actions, and what became of them.");

export type PipelineActions = z.infer<typeof pipelineActions>;
export type PipelineActionsStatus = z.infer<typeof pipelineActionsStatus>;
export type ResnapshotStatus = NonNullable<PipelineActionsStatus["resnapshot"]>;
