import type { Action, AddFile } from "../delta/actions.ts";
import type { Engine } from "../delta/engine.ts";
import type { Snapshot } from "../delta/snapshot.ts";
import { predicate, removal, stageDelete } from "../delta/stage-delete.ts";
import { FileError } from "./errors.ts";
import { fileTag, SOURCE_TAG, type SourceFile } from "./identity.ts";
import { SOURCE_FILE } from "./source-columns.ts";

/** What takes the rows of earlier contents of some files out of a table. */
export interface EarlierRows {
	readonly actions: readonly Action[];
	/** Stored files, below the table's root. */
	readonly staged: readonly string[];
	/** Paths of the files that it rests on: none may have gone since. */
	readonly read: readonly string[];
	/** Whether a file that came since could hold rows that it does not know of. */
	readonly mayHold: (file: AddFile) => boolean;
}

export const NO_EARLIER_ROWS: EarlierRows = {
	actions: [],
	staged: [],
	read: [],
	mayHold: () => false,
};

/**
 * Finds the rows that came from these files: whole data files by their tag, and, where compaction has put
 * rows of several files together, by `_source_file`.
 * @throws FileError INGEST_REPLACE_REFUSED when the table's change data feed would miss deleted rows
 */
export async function earlierRows(
	engine: Engine,
	base: Snapshot,
	files: readonly SourceFile[],
): Promise<EarlierRows> {
	if (files.length === 0) return NO_EARLIER_ROWS;
	const tags = new Set(files.map(({ url }) => fileTag(url)));
	const mayHold = (file: AddFile): boolean => {
		const tag = file.tags?.[SOURCE_TAG];
		return tag === undefined || tags.has(tag);
	};
	const whole = [...base.files.values()].filter(({ tags: own }) =>
		tags.has(own?.[SOURCE_TAG] ?? ""),
	);
	const condition = predicate(
		base,
		files.map(({ url }) => `${SOURCE_FILE} = ${literal(url)}`).join(" OR "),
	);
	const mixed =
		condition === undefined
			? undefined
			: await stageDelete(engine, base, {
					...condition,
					mayMatch: (file) =>
						file.tags?.[SOURCE_TAG] === undefined && condition.mayMatch(file),
				});
	if (mixed !== undefined && mixed.changes.length > 0) {
		await engine.store.delete(mixed.paths);
		throw new FileError(
			"INGEST_REPLACE_REFUSED",
			`${files[0]?.path} has changed, and its earlier rows share data files with others in ${base.url}, whose change data feed would miss that they go: set delta.enableDeletionVectors to true on the table, then retry the file`,
		);
	}
	return {
		actions: [
			...whole.map((file) => ({ remove: removal(file, engine.now()) })),
			...(mixed?.actions ?? []),
		],
		staged: mixed?.paths ?? [],
		read: [...whole.map(({ path }) => path), ...(mixed?.read ?? [])],
		mayHold,
	};
}

function literal(text: string): string {
	return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
