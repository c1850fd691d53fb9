import type { Action, CommitInfo, Metadata } from "./actions.ts";

/*
 * In-commit timestamps (PROTOCOL.md, "In-Commit Timestamps"): each commit's `commitInfo`, its first
 * action, tells its time, which is greater than that of the commit before.
 */

export const ENABLED = "delta.enableInCommitTimestamps";
export const ENABLEMENT_VERSION = "delta.inCommitTimestampEnablementVersion";
export const ENABLEMENT_TIMESTAMP =
	"delta.inCommitTimestampEnablementTimestamp";

export function inCommitTimestamps(metadata: Metadata): boolean {
	return metadata.configuration[ENABLED] === "true";
}

/** Milliseconds: the in-commit timestamp, else what the writer noted. */
export function commitTimestamp(info: CommitInfo): number | undefined {
	return info.inCommitTimestamp ?? info.timestamp;
}

/** The time of the next commit, later than that of the one before. */
export function nextTimestamp(
	nowMs: number,
	previous: number | undefined,
): number {
	return previous === undefined ? nowMs : Math.max(nowMs, previous + 1);
}

/**
 * The actions of the commit that turns the feature on for a table that exists: from which version on
 * the timestamps count has to be in the metadata.
 */
export function withEnablement(
	actions: readonly Action[],
	before: Metadata | undefined,
	version: number,
	timestamp: number,
): Action[] {
	if (before === undefined || inCommitTimestamps(before)) return [...actions];
	return actions.map((action) =>
		"metaData" in action && inCommitTimestamps(action.metaData)
			? {
					metaData: {
						...action.metaData,
						configuration: {
							...action.metaData.configuration,
							[ENABLEMENT_VERSION]: String(version),
							[ENABLEMENT_TIMESTAMP]: String(timestamp),
						},
					},
				}
			: action,
	);
}
