import { type HistoryEntry, history } from "../../delta/history.ts";
import { wholeNumber } from "./flags.ts";
import { openSummary, type TableContext, wantedVersion } from "./open.ts";

/** The commits that are in the log, newest first. */
export async function showHistory(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	const limit = wholeNumber("limit", flags.limit) ?? Number.POSITIVE_INFINITY;
	const from = await wantedVersion(context);
	const { metadata } = await openSummary(context);
	let shown = 0;
	if (limit > 0)
		for await (const entry of history(
			engine,
			metadata,
			from === undefined ? {} : { from },
		)) {
			out.write(flags.json === true ? jsonOf(entry) : lineOf(entry));
			if (out.full) await out.flush();
			if (++shown >= limit) break;
		}
}

function jsonOf({ info, ...entry }: HistoryEntry): string {
	return `${JSON.stringify({
		...entry,
		timestamp: new Date(entry.timestamp).toISOString(),
		operation: info?.operation ?? null,
		operationParameters: info?.operationParameters ?? {},
		operationMetrics: info?.operationMetrics ?? {},
		engineInfo: info?.engineInfo ?? null,
		isBlindAppend: info?.isBlindAppend ?? null,
	})}\n`;
}

function lineOf(entry: HistoryEntry): string {
	const { version, timestamp, info, added, removed, schemaChanged } = entry;
	const operation = (info?.operation ?? "unknown").padEnd(12);
	return `${String(version).padStart(6)}  ${new Date(timestamp).toISOString()}  ${operation}  +${added} -${removed}${schemaChanged ? "  metadata" : ""}\n`;
}
