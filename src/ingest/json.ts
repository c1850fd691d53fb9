import type { RunRecord } from "./runs.ts";
import type { FileRecord } from "./state.ts";

/** A run as the API and the commands show it. */
export function runJson(run: RunRecord): object {
	const { requestedMs, startedMs, finishedMs, ...rest } = run;
	return {
		...rest,
		requested: iso(requestedMs),
		started: iso(startedMs),
		finished: iso(finishedMs),
	};
}

/** A file as the API and the commands show it. */
export function fileJson(file: FileRecord): object {
	const { modifiedMs, discoveredMs, startedMs, finishedMs, retryMs, ...rest } =
		file;
	return {
		...rest,
		modified: iso(modifiedMs),
		discovered: iso(discoveredMs),
		started: iso(startedMs),
		finished: iso(finishedMs),
		retry: iso(retryMs),
	};
}

function iso(ms: number | null): string | null {
	return ms === null ? null : new Date(ms).toISOString();
}
