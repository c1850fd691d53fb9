import type { AddFile } from "../../delta/actions.ts";
import { readTable, type ScanOptions } from "../../delta/scan.ts";
import type { Snapshot } from "../../delta/snapshot.ts";
import { numRecords } from "../../delta/stats-rows.ts";
import type { Bound } from "../../expression/bound.ts";
import { boundCondition, namedColumns } from "./columns.ts";
import { onlyOne } from "./flags.ts";
import { openTable, type TableContext } from "./open.ts";
import { printRows, rowFlags, withMissingFiles } from "./rows.ts";

export async function readRows(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	for (const flag of ["columns", "format", "limit"] as const)
		if (flags.count === true) onlyOne(flags, ["count", flag]);
	const form = rowFlags(flags);
	const snapshot = await openTable(context);
	const { schema } = snapshot;
	const where =
		flags.where === undefined
			? undefined
			: boundCondition("--where", flags.where, schema);
	if (flags.count === true) {
		const rows = await countRows(context, snapshot, where);
		out.write(
			flags.json === true ? `${JSON.stringify({ rows })}\n` : `${rows}\n`,
		);
		return;
	}
	const names =
		flags.columns === undefined
			? schema.fields.map(({ name }) => name)
			: namedColumns("--columns", flags.columns, schema);
	const options = { columns: names, ...(where && { where }) };
	await printRows(out, readTable(engine, snapshot, options), {
		...form,
		names,
	});
}

/** Without a condition, files whose statistics have their number of rows are not read. */
async function countRows(
	{ engine }: TableContext,
	snapshot: Snapshot,
	where: Bound | undefined,
): Promise<number> {
	let rows = 0;
	const unknown: AddFile[] = [];
	if (where === undefined)
		for (const file of snapshot.files.values()) {
			const stored = numRecords(file.stats);
			if (stored === undefined) unknown.push(file);
			else rows += stored - (file.deletionVector?.cardinality ?? 0);
		}
	const options: ScanOptions =
		where === undefined
			? { columns: [], files: unknown }
			: { columns: [], where };
	for await (const batch of withMissingFiles(
		readTable(engine, snapshot, options),
	))
		rows += batch.length;
	return rows;
}
