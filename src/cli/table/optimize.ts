import { optimize } from "../../maintain/optimize.ts";
import type { OptimizeResult } from "../../maintain/optimize-metrics.ts";
import { boundCondition, namedColumns } from "./columns.ts";
import { byteCount } from "./flags.ts";
import { openTable, type TableContext } from "./open.ts";
import { sizeText } from "./size-text.ts";

/** Writes small files together, and tells what came of it. */
export async function optimizeTable(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	const targetBytes = byteCount("target-file-size", flags["target-file-size"]);
	const dryRun = flags["dry-run"] === true;
	const snapshot = await openTable(context);
	if (flags.where !== undefined)
		boundCondition("--where", flags.where, snapshot.schema);
	const zOrderBy =
		flags["z-order"] === undefined
			? []
			: namedColumns("--z-order", flags["z-order"], snapshot.schema);
	const result = await optimize(engine, snapshot, {
		...(targetBytes !== undefined && { targetBytes }),
		...(flags.where !== undefined && { where: flags.where }),
		zOrderBy,
		purge: flags.purge === true,
		dryRun,
	});
	const text = textOf(result, dryRun);
	out.tell({
		dryRun,
		summary: text.trim().replaceAll("\n", "; "),
		metrics: {
			commits: result.commits,
			filesPlanned: result.planned.files,
			filesRemoved: result.filesRemoved,
			filesAdded: result.filesAdded,
			bytesRemoved: result.bytesRemoved,
			bytesAdded: result.bytesAdded,
			deletionVectorsRemoved: result.deletionVectorsRemoved,
			rowsCarried: result.rowsCarried,
		},
	});
	out.write(
		flags.json === true ? `${JSON.stringify({ dryRun, ...result })}\n` : text,
	);
}

function textOf(result: OptimizeResult, dryRun: boolean): string {
	const { planned, leftOut } = result;
	if (planned.groups === 0) return "nothing to do\n";
	if (dryRun)
		return `would write ${planned.files} files of ${sizeText(planned.bytes)} again, in ${planned.groups} groups\n`;
	const lines = [
		`version ${result.version}: ${result.filesRemoved} files of ${sizeText(result.bytesRemoved)} became ${result.filesAdded} of ${sizeText(result.bytesAdded)}, in ${result.commits} commits`,
	];
	if (result.deletionVectorsRemoved > 0)
		lines.push(
			`deleted rows of ${result.deletionVectorsRemoved} files are gone for good`,
		);
	if (result.rowsCarried > 0)
		lines.push(
			`${result.rowsCarried} rows that writers deleted meanwhile were followed`,
		);
	for (const { files, reason } of leftOut)
		lines.push(`${files} files stay as they are: ${reason}`);
	return `${lines.join("\n")}\n`;
}
