import { ConfigError } from "../../errors.ts";
import { restore } from "../../maintain/restore.ts";
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
	if (flags.json === true) {
		out.write(`${JSON.stringify({ dryRun, ...result })}\n`);
		return;
	}
	const { filesRestored, filesRemoved, schemaRestored, positions } = result;
	if (!dryRun && result.version === newest.version) {
		out.write(`version ${newest.version} is as version ${version} already\n`);
		return;
	}
	out.write(
		`${dryRun ? "would make" : `version ${result.version} is as`} version ${version}${dryRun ? " the newest" : ""}: ${filesRestored} files come back, ${filesRemoved} go${schemaRestored ? ", with its schema" : ""}\n`,
	);
	if (positions > 0)
		out.write(
			`${positions} positions of writers go back too: they read again what came since\n`,
		);
}
