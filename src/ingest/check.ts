import { randomUUID } from "node:crypto";
import { loadSnapshot } from "../delta/snapshot.ts";
import { messageOf, TributaryError } from "../errors.ts";
import type { IngestContext } from "./context.ts";
import { findFiles } from "./discovery.ts";
import { readBatches } from "./format.ts";
import { countFiles } from "./state.ts";

/** What one part of an ingestion answered. */
export interface CheckResult {
	readonly part: "source" | "files" | "table" | "state";
	readonly ok: boolean;
	readonly message: string;
}

/** Records that are read of the first file. */
const SAMPLE_ROWS = 100;
/** Files that are listed before "at least" will do. */
const LISTED = 1000;

/** Tries every part that a run needs, and goes on when one fails. */
export async function checkIngestion(
	context: IngestContext,
): Promise<CheckResult[]> {
	const { source, engine, config, db } = context;
	const results: CheckResult[] = [];
	const check = async (
		part: CheckResult["part"],
		work: () => Promise<string>,
	): Promise<void> => {
		try {
			results.push({ part, ok: true, message: await work() });
		} catch (error) {
			const code = error instanceof TributaryError ? `${error.code}: ` : "";
			results.push({ part, ok: false, message: `${code}${messageOf(error)}` });
		}
	};
	const pages = findFiles(source, config.selection, engine.now);
	let first: Awaited<ReturnType<typeof pages.next>>["value"];
	await check("source", async () => {
		const page = await pages.next();
		await pages.return(undefined);
		first = page.value;
		const files = first ?? [];
		return files.length === 0
			? `${source.url} can be listed, and no file is wanted: check prefix, suffix, include, exclude and times, or wait for files`
			: `${source.url} has ${files.length < LISTED ? files.length : `at least ${LISTED}`} wanted files, the first is ${files[0]?.path}`;
	});
	const [file] = first ?? [];
	if (file !== undefined)
		await check("files", async () => {
			for await (const batch of readBatches(
				source,
				{
					path: file.path,
					size: file.size,
					origin: { url: file.url, modifiedMs: file.modifiedMs, ingestedMs: 0 },
				},
				{
					format: config.format,
					schema: config.rules,
					tableSchema: undefined,
					batchBytes: config.batchBytes,
					batchRows: SAMPLE_ROWS,
				},
			))
				return `${file.path} can be read as ${config.format.type}: ${batch.schema.fields
					.filter(({ name }) => !name.startsWith("_"))
					.slice(0, 20)
					.map(
						({ name, type }) =>
							`${name} ${typeof type === "string" ? type : type.type}`,
					)
					.join(", ")}`;
			return `${file.path} can be read as ${config.format.type}, and has no rows`;
		});
	await check("table", async () => {
		const snapshot = await loadSnapshot(engine);
		// Deleted again at once; no reader of the table looks there.
		const probe = `_tributary_check/${randomUUID()}`;
		await engine.store.put(probe, new Uint8Array([0x6f, 0x6b]));
		await engine.store.delete([probe]);
		return snapshot === undefined
			? `${engine.store.url} can be written, and holds no table yet: the first run makes it`
			: `${engine.store.url} can be written, and holds a table at version ${snapshot.version}`;
	});
	await check("state", async () => {
		const counts = await countFiles(db, config.id);
		return `the state is ${db.place}: ${counts.SUCCESS} files loaded, ${counts.DISCOVERED + counts.PROCESSING} waiting, ${counts.FAILED} failed, ${counts.SKIPPED} skipped`;
	});
	return results;
}
