import { ConfigError } from "../../errors.ts";
import { type RestoreResult, restore } from "../../maintain/restore.ts";
import { openTable, type TableContext, wantedVersion } from "./open.ts";

/** Makes the version that `--version` or `--timestamp` names the newest. */
export async function restoreTable(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	const version = await wantedVersion(context);
	if (version === undefined)
		throw new ConfigError(
			"table restore needs --version N or --timestamp ISO: what to go back to",
		);
	const { version: _, timestamp: __, ...rest } = flags;
	const newest = await openTable({ ...context, flags: rest });
	const dryRun = flags["dry-run"] === true;
	const result = await restore(engine, newest, {
		version,
		keepPositions: flags["keep-positions"] === true,
		dryRun,
	});
	const lines = linesOf(result, { version, newest: newest.version, dryRun });
	out.tell({
		dryRun,
		summary: lines.join("; "),
		metrics: {
			restoredVersion: result.restoredVersion,
			filesRestored: result.filesRestored,
			filesRemoved: result.filesRemoved,
			positions: result.positions,
		},
	});
	out.write(
		flags.json === true
			? `${JSON.stringify({ dryRun, ...result })}\n`
			: lines.map((line) => `${line}\n`).join(""),
	);
}

function linesOf(
	result: RestoreResult,
	{
		version,
		newest,
		dryRun,
	}: {
		readonly version: number;
		readonly newest: number;
		readonly dryRun: boolean;
	},
): string[] {
	const { filesRestored, filesRemoved, schemaRestored, positions } = result;
	if (!dryRun && result.version === newest)
		return [`version ${newest} is as version ${version} already`];
	return [
		`${dryRun ? "would make" : `version ${result.version} is as`} version ${version}${dryRun ? " the newest" : ""}: ${filesRestored} files come back, ${filesRemoved} go${schemaRestored ? ", with its schema" : ""}`,
		...(positions > 0
			? [
					`${positions} positions of writers go back too: they read again what came since`,
				]
			: []),
	];
}
