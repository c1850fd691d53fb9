import { vacuum } from "../../maintain/vacuum.ts";
import { duration } from "./flags.ts";
import { openTable, type TableContext } from "./open.ts";
import { sizeText } from "./size-text.ts";

/** Deletes files that are needed no more; with `--dry-run` it lists them. */
export async function vacuumTable(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	const retentionMs = duration("retention", flags.retention);
	const dryRun = flags["dry-run"] === true;
	const snapshot = await openTable(context);
	const result = await vacuum(engine, snapshot, {
		...(retentionMs !== undefined && { retentionMs }),
		allowShort: flags["allow-short-retention"] === true,
		dryRun,
		...(dryRun && {
			onFile: ({ path, size, modified }) =>
				out.write(
					flags.json === true
						? `${JSON.stringify({ path, size, modified: new Date(modified).toISOString() })}\n`
						: `${path}\n`,
				),
		}),
	});
	const summary = `${dryRun ? "would delete" : "deleted"} ${result.files} of ${result.filesListed} files, ${sizeText(result.bytes)}; what was needed in the last ${result.retentionMs / 3_600_000} h stays`;
	out.tell({
		dryRun,
		summary,
		metrics: {
			filesListed: result.filesListed,
			filesRemoved: result.files,
			bytesRemoved: result.bytes,
		},
	});
	out.write(
		flags.json === true ? `${JSON.stringify(result)}\n` : `${summary}\n`,
	);
}
