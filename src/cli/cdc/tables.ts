import { onlyName } from "./change.ts";
import { findPipeline } from "./cluster.ts";
import type { Session } from "./session.ts";
import { tablesText } from "./status.ts";

/** `tables NAME`: what the writers say of each table. */
export async function showTables(
	session: Session,
	args: readonly string[],
): Promise<void> {
	const { out, flags } = session;
	const object = await findPipeline(session, onlyName(args, "tables"));
	const tables = object.status?.tables ?? [];
	const { location = "" } =
		(object.spec as { sink?: { location?: string } }).sink ?? {};
	if (flags.output === "json")
		out.write(`${JSON.stringify({ location, tables }, undefined, 2)}\n`);
	else if (tables.length === 0)
		out.write(
			`${object.metadata.name} has written no table yet; see kubectl cdc status ${object.metadata.name}\n`,
		);
	else out.write(`${tablesText(tables, session.now())}\nin ${location}\n`);
}
