import type { ObjectStore } from "../storage/store.ts";

/** Sorts after every path of a folder that it is put behind. */
const LAST = "\u{10FFFF}";

/**
 * The folders below a store's root that hold a Delta table; "" when the root itself is one. What is in a table is passed over, so that a lake of millions of files takes
 * a few requests a table. Folders in a table are none of their own.
 */
export async function* findTables(
	store: ObjectStore,
): AsyncGenerator<string, void, undefined> {
	let after: string | undefined;
	for (;;) {
		const found = await nextTable(store, after);
		if (found === undefined) return;
		yield found;
		if (found === "") return;
		after = `${found}/${LAST}`;
	}
}

async function nextTable(
	store: ObjectStore,
	startAfter: string | undefined,
): Promise<string | undefined> {
	const known = new Set<string>();
	const options = startAfter === undefined ? {} : { startAfter };
	for await (const { path } of store.list("", options)) {
		const parts = path.split("/");
		// From the root down: the outermost folder with a log is the table.
		for (let depth = 0; depth < parts.length; depth++) {
			const folder = parts.slice(0, depth).join("/");
			if (known.has(folder)) continue;
			known.add(folder);
			if (await holdsTable(store, folder)) return folder;
		}
	}
	return undefined;
}

async function holdsTable(
	store: ObjectStore,
	folder: string,
): Promise<boolean> {
	const log = `${folder === "" ? "" : `${folder}/`}_delta_log/`;
	for await (const { path } of store.list(log))
		if (
			/^(\d{20}\.(json|checkpoint)|_last_checkpoint$)/.test(
				path.slice(log.length),
			)
		)
			return true;
		else if (path.charCodeAt(log.length) > 0x39) return false;
	return false;
}
