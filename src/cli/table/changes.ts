import {
	CHANGE_TYPE,
	COMMIT_TIMESTAMP,
	COMMIT_VERSION,
	readChanges,
} from "../../delta/change-data.ts";
import { ConfigError } from "../../errors.ts";
import { namedColumns } from "./columns.ts";
import { onlyOne, wholeNumber } from "./flags.ts";
import { openTable, type TableContext } from "./open.ts";
import { printRows, rowFlags } from "./rows.ts";

/** The rows that versions changed; `recorded` demands that their change data feed was on. */
export async function showChanges(
	context: TableContext,
	{ recorded }: { readonly recorded: boolean },
): Promise<void> {
	const { engine, flags, out } = context;
	onlyOne(flags, ["to", "version", "timestamp"]);
	const from = wholeNumber("from", flags.from);
	const to = wholeNumber("to", flags.to);
	if (from === undefined)
		throw new ConfigError(
			`table ${recorded ? "cdf" : "changes"} needs --from N, the first version whose changes are wanted`,
		);
	if (to !== undefined && to < from)
		throw new ConfigError(
			`--to ${to} is before --from ${from}; swap the two, or leave --to out`,
		);
	const form = rowFlags(flags);
	const { version, schema } = await openTable({
		...context,
		flags: { ...flags, ...(flags.to && { version: flags.to }) },
	});
	if (from > version)
		throw new ConfigError(
			`--from ${from} is after the last version, ${version}; name one up to that`,
		);
	const columns =
		flags.columns === undefined
			? undefined
			: namedColumns("--columns", flags.columns, schema);
	const changes = readChanges(engine, {
		from,
		to: version,
		recorded,
		...(columns && { columns }),
	});
	await printRows(out, changes, {
		...form,
		names: [
			CHANGE_TYPE,
			COMMIT_VERSION,
			COMMIT_TIMESTAMP,
			...(columns ?? schema.fields.map(({ name }) => name)),
		],
	});
}
