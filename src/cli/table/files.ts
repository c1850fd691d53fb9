import type { AddFile } from "../../delta/actions.ts";
import { fileSkipper } from "../../delta/skipping.ts";
import { numRecords } from "../../delta/stats-rows.ts";
import { boundCondition } from "./columns.ts";
import { openTable, type TableContext } from "./open.ts";

/** The data files; with `--where` those that such a query reads, and how many it passes over. */
export async function showFiles(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	const snapshot = await openTable(context);
	const mayMatch =
		flags.where === undefined
			? undefined
			: fileSkipper(
					boundCondition("--where", flags.where, snapshot.schema),
					snapshot,
					{
						now: engine.now(),
					},
				);
	let [read, skipped] = [0, 0];
	for (const file of snapshot.files.values()) {
		if (mayMatch?.(file) === false) {
			skipped++;
			continue;
		}
		read++;
		out.write(flags.json === true ? `${JSON.stringify(file)}\n` : lineOf(file));
		if (out.full) await out.flush();
	}
	if (mayMatch === undefined) return;
	out.write(
		flags.json === true
			? `${JSON.stringify({ read, skipped })}\n`
			: `${read} of ${read + skipped} files are read, ${skipped} skipped\n`,
	);
}

function lineOf(file: AddFile): string {
	const rows = numRecords(file.stats);
	return `${file.path}\t${file.size} bytes\t${rows ?? "?"} rows\t${file.deletionVector?.cardinality ?? 0} deleted\n`;
}
