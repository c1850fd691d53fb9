import { z } from "zod";
import { send } from "../../connect/http.ts";
import { messageOf } from "../../errors.ts";

const number = z.number().min(0);

/** What a writer answers on `GET /status`; more fields may come with newer writers. */
const report = z.object({
	tables: z
		.array(
			z.object({
				name: z.string().max(1024),
				version: number.optional(),
				rows: number.optional(),
				lastCommit: z.string().max(64).optional(),
				newestChange: z.string().max(64).optional(),
				tableRows: number.optional(),
				files: number.optional(),
				bytes: number.optional(),
			}),
		)
		.default([]),
	lagRecords: number.nullish(),
	freshnessSeconds: number.nullish(),
	rowsPerSecond: number.nullish(),
	/** Why the writer makes no progress, if it knows. */
	error: z.string().nullish(),
});

export type WriterReport = z.infer<typeof report>;

/** Asks one writer pod. */
export type AskWriter = (podIP: string) => Promise<WriterReport>;

/** One writer's report over HTTP. @throws Error where it does not answer properly in two seconds. */
export function httpWriterReport(port: number): AskWriter {
	return async (podIP) => {
		const host = podIP.includes(":") ? `[${podIP}]` : podIP;
		const { status, text } = await send(`http://${host}:${port}/status`, {
			method: "GET",
			timeoutMs: 2_000,
			access: {},
		});
		if (status !== 200) throw new Error(`GET /status: ${status}`);
		return report.parse(JSON.parse(text));
	};
}

export interface WriterFigures {
	readonly tables: readonly WriterReport["tables"][number][];
	readonly lag: number | undefined;
	readonly freshnessSeconds: number | undefined;
	readonly rowsPerSecond: number | undefined;
	readonly errors: readonly string[];
	/** Pods that did not answer. */
	readonly silent: readonly string[];
}

/**
 * The figures of all writers together. A sum that lacks a pod would look better than it is, so lag and
 * freshness are unknown until every pod has answered.
 */
export async function writerFigures(
	pods: readonly { readonly name: string; readonly podIP: string }[],
	ask: AskWriter,
): Promise<WriterFigures> {
	const answers = await Promise.all(
		pods.map(async ({ name, podIP }) => {
			try {
				return { name, report: await ask(podIP) };
			} catch (error) {
				return { name, problem: messageOf(error) };
			}
		}),
	);
	const reports = answers.flatMap(({ report }) => report ?? []);
	const silent = answers.flatMap(({ name, problem }) =>
		problem === undefined ? [] : [`${name}: ${problem}`],
	);
	const complete = silent.length === 0 && reports.length > 0;
	return {
		tables: mergeTables(reports),
		lag: complete
			? sum(reports.map(({ lagRecords }) => lagRecords))
			: undefined,
		freshnessSeconds: complete
			? Math.max(...known(reports.map((r) => r.freshnessSeconds)), -1)
			: undefined,
		rowsPerSecond: sum(reports.map((r) => r.rowsPerSecond)),
		errors: reports.flatMap(({ error }) => error ?? []),
		silent,
	};
}

function mergeTables(reports: readonly WriterReport[]): WriterReport["tables"] {
	const tables = new Map<string, WriterReport["tables"][number]>();
	for (const table of reports.flatMap(({ tables }) => tables)) {
		const other = tables.get(table.name);
		tables.set(table.name, {
			name: table.name,
			...max("version", table.version, other?.version),
			...(table.rows !== undefined && {
				rows: table.rows + (other?.rows ?? 0),
			}),
			...latest("lastCommit", table.lastCommit, other?.lastCommit),
			...latest("newestChange", table.newestChange, other?.newestChange),
			...sizeOf((other?.version ?? -1) > (table.version ?? -1) ? other : table),
		});
	}
	return [...tables.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function max(
	name: "version",
	...values: readonly (number | undefined)[]
): { version?: number } {
	const numbers = known(values);
	return numbers.length === 0 ? {} : { [name]: Math.max(...numbers) };
}

function latest<Name extends "lastCommit" | "newestChange">(
	name: Name,
	...values: readonly (string | undefined)[]
): { [N in Name]?: string } {
	const last = values
		.filter((value) => value !== undefined)
		.sort()
		.at(-1);
	return (last === undefined ? {} : { [name]: last }) as {
		[N in Name]?: string;
	};
}

/** How large the table is, by the writer that has read the newest version. */
function sizeOf(
	table: WriterReport["tables"][number] | undefined,
): Pick<WriterReport["tables"][number], "tableRows" | "files" | "bytes"> {
	const { tableRows, files, bytes } = table ?? {};
	return {
		...(tableRows !== undefined && { tableRows }),
		...(files !== undefined && { files }),
		...(bytes !== undefined && { bytes }),
	};
}

function known(values: readonly (number | null | undefined)[]): number[] {
	return values.filter((value) => typeof value === "number");
}

function sum(
	values: readonly (number | null | undefined)[],
): number | undefined {
	const numbers = known(values);
	return numbers.length < values.length || numbers.length === 0
		? undefined
		: numbers.reduce((a, b) => a + b, 0);
}
