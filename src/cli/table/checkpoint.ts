import { writeCheckpoint } from "../../delta/checkpoint.ts";
import { writeChecksum } from "../../delta/checksum.ts";
import { checkWritable } from "../../delta/features.ts";
import { cleanUpLog } from "../../delta/log-cleanup.ts";
import { writeLogCompaction } from "../../delta/log-compaction.ts";
import { type Snapshot, totalsOf } from "../../delta/snapshot.ts";
import { ConfigError } from "../../errors.ts";
import { onlyOne } from "./flags.ts";
import { openTable, type TableContext } from "./open.ts";

/** Writes the checkpoint and the checksum of the newest version, or what a flag asks for instead. */
export async function maintainTable(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	onlyOne(flags, ["compact-log", "clean-log"]);
	if (flags["dry-run"] === true && flags["clean-log"] !== true)
		throw new ConfigError(
			"--dry-run goes with --clean-log only; a checkpoint deletes nothing",
		);
	const range = rangeOf(flags["compact-log"]);
	const snapshot = await openTable(context);
	checkWritable(snapshot.protocol, snapshot.metadata, snapshot.url);
	if (flags["clean-log"] === true) return await cleanLog(context, snapshot);
	if (range !== undefined) {
		const path = await writeLogCompaction(engine, range.from, range.to);
		out.write(
			flags.json === true
				? `${JSON.stringify({ ...range, path })}\n`
				: `wrote ${path}\n`,
		);
		return;
	}
	const state = await writeCheckpoint(engine, {
		...snapshot,
		totals: totalsOf(snapshot),
	});
	await writeChecksum(engine, state);
	const { version, totals } = state;
	const summary = `wrote the checkpoint and the checksum of version ${version}`;
	out.tell({ summary, metrics: { version } });
	out.write(
		flags.json === true
			? `${JSON.stringify({ version, files: totals?.files })}\n`
			: `${summary}\n`,
	);
}

async function cleanLog(
	{ engine, flags, out }: TableContext,
	snapshot: Snapshot,
): Promise<void> {
	const dryRun = flags["dry-run"] === true;
	const { oldest, deleted } = await cleanUpLog(engine, snapshot, { dryRun });
	const summary =
		deleted.length === 0
			? `nothing to delete: ${reasonOf(snapshot)}`
			: `${dryRun ? "would delete" : "deleted"} ${deleted.length} files; the oldest version is ${oldest} then`;
	out.tell({ dryRun, summary, metrics: { filesRemoved: deleted.length } });
	if (flags.json === true) {
		out.write(
			`${JSON.stringify({ dryRun, oldest: oldest ?? null, deleted })}\n`,
		);
		return;
	}
	for (const path of deleted) {
		out.write(`${path}\n`);
		if (out.full) await out.flush();
	}
	out.write(`${summary}\n`);
}

function reasonOf({ metadata: { configuration } }: Snapshot): string {
	if (configuration["delta.enableExpiredLogCleanup"] === "false")
		return "delta.enableExpiredLogCleanup is false";
	const retention =
		configuration["delta.logRetentionDuration"] ?? "interval 30 days";
	return `no checkpoint is older than delta.logRetentionDuration, ${retention}, with versions before it`;
}

/** @throws ConfigError */
function rangeOf(
	text: string | undefined,
): { readonly from: number; readonly to: number } | undefined {
	if (text === undefined) return undefined;
	const match = /^(\d{1,15})\.\.(\d{1,15})$/.exec(text);
	const [from, to] = [Number(match?.[1]), Number(match?.[2])];
	if (match === null || !(from < to))
		throw new ConfigError(
			`--compact-log ${text} is no range of versions; write two, the smaller first, like 10..19`,
		);
	return { from, to };
}
