import { z } from "zod";

/** What Debezium tells of a snapshot (its `Notification` record). */
export interface Notification {
	readonly id: string;
	/** `Initial Snapshot` for a first, full or blocking one, `Incremental Snapshot` for the other. */
	readonly aggregate: string;
	readonly type: string;
	readonly data: Readonly<Record<string, string>>;
}

const record = z.object({
	id: z.string(),
	type: z.string(),
	aggregate_type: z.string(),
	additional_data: z.record(z.string(), z.string()).nullish(),
});
const body = z.union([z.object({ payload: record }), record]);

/** With or without a schema around it; `undefined` for what is no notification. */
export function notificationOf(value: Buffer | null): Notification | undefined {
	let json: unknown;
	try {
		json = JSON.parse(String(value));
	} catch {
		return undefined;
	}
	const parsed = body.safeParse(json);
	if (!parsed.success) return undefined;
	const found = "payload" in parsed.data ? parsed.data.payload : parsed.data;
	return {
		id: found.id,
		aggregate: found.aggregate_type,
		type: found.type,
		data: found.additional_data ?? {},
	};
}

export type Progress =
	| { readonly kind: "waiting" }
	/** Rows of the tables that are complete; absent where the connector does not count them. */
	| { readonly kind: "running"; readonly rows: number | undefined }
	| { readonly kind: "completed"; readonly rows: number | undefined }
	| { readonly kind: "failed"; readonly message: string };

/**
 * How far a snapshot has come. An incremental one is told by the id of its signal; of the others, those
 * that began after the request count.
 */
export function progressOf(
	notifications: readonly Notification[],
	{ id, mode }: { id: string; mode: string },
): Progress {
	const incremental = mode === "incremental";
	const own = notifications.filter((one) =>
		incremental
			? one.aggregate === "Incremental Snapshot" && one.id === id
			: one.aggregate === "Initial Snapshot",
	);
	// A connector that was restarted in the meantime says first that it needs no initial snapshot.
	const start = incremental
		? 0
		: own.findLastIndex(({ type }) => type === "STARTED");
	const run = start < 0 ? [] : own.slice(start);
	let rows: number | undefined;
	for (const { type, data } of run) {
		if (type !== "TABLE_SCAN_COMPLETED") continue;
		if (!["SUCCEEDED", "EMPTY"].includes(data.status ?? "SUCCEEDED"))
			return {
				kind: "failed",
				message: `${data.scanned_collection ?? "a table"} could not be read: ${FAILURES[data.status ?? ""] ?? data.status}`,
			};
		const counted = Number(data.total_rows_scanned ?? Number.NaN);
		if (!Number.isNaN(counted)) rows = (rows ?? 0) + counted;
	}
	switch (run.at(-1)?.type) {
		case undefined:
			return { kind: "waiting" };
		case "COMPLETED":
			return { kind: "completed", rows };
		case "ABORTED":
			return { kind: "failed", message: "the connector gave the snapshot up" };
		default:
			return { kind: "running", rows };
	}
}

/** Debezium's `TableScanCompletionStatus`. */
const FAILURES: Readonly<Record<string, string>> = {
	NO_PRIMARY_KEY:
		"it has no primary key, which chunks need: use mode blocking or full",
	UNKNOWN_SCHEMA: "the source has no such table",
	SKIPPED: "the connector skipped it",
	SQL_EXCEPTION: "the source refused the query; see the connector's log",
};
