import type { Metadata } from "../../delta/actions.ts";
import type { Snapshot } from "../../delta/snapshot.ts";
import type { Summary } from "../../delta/summary.ts";
import { openSummary, openTable, type TableContext } from "./open.ts";
import { columnText } from "./type-text.ts";

/** The columns, in a form that `table create` takes again. */
export async function showSchema(context: TableContext): Promise<void> {
	const { flags, out } = context;
	const table: Pick<Snapshot | Summary, "schema"> & { metadata: Metadata } =
		flags.version === undefined && flags.timestamp === undefined
			? await openSummary(context)
			: await openTable(context);
	if (flags.json === true) {
		out.write(`${JSON.stringify(table.schema)}\n`);
		return;
	}
	const { fields } = table.schema;
	for (const [i, field] of fields.entries())
		out.write(`${columnText(field)}${i < fields.length - 1 ? "," : ""}\n`);
}
