import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { formatValue, toJson, valueAt } from "../columnar/value.ts";
import type { Engine } from "../delta/engine.ts";
import { DeltaError } from "../delta/errors.ts";
import { readTable } from "../delta/scan.ts";
import { loadSnapshot, readCommit, type Snapshot } from "../delta/snapshot.ts";
import { ConfigError } from "../errors.ts";
import { fileOpener, openStore, storageCredentials } from "../storage/open.ts";

export const TABLE_USAGE = `Usage: tributary table COMMAND PATH [flags]

  show      version, schema, files and positions of a table
  schema    its columns
  history   its commits, newest first
  files     its data files
  read      its rows

  --version N           as of that version
  --columns A,B         read: only these columns
  --format F            read: table (default), ndjson or csv
  --limit N             read: at most N rows
  --count               read: only the number of rows
  --json                show, schema, history, files: JSON

PATH is a local folder or s3://bucket/prefix; AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and
AWS_ENDPOINT_URL are read from the environment.
`;

interface Output {
	write(text: string): void;
}

/** @throws ConfigError for bad flags, DeltaError for a table that can't be read */
export async function tableCommand(
	argv: readonly string[],
	out: Output,
): Promise<void> {
	const { values, positionals } = flags(argv);
	const [command, path] = positionals;
	if (values.help === true || command === undefined) {
		out.write(TABLE_USAGE);
		return;
	}
	if (!["show", "schema", "history", "files", "read"].includes(command))
		throw new ConfigError(
			`unknown command: table ${command}; known are show, schema, history, files and read`,
		);
	if (path === undefined)
		throw new ConfigError(
			`table ${command} needs a PATH: a local folder or s3://bucket/prefix`,
		);
	const credentials = storageCredentials(process.env);
	const engine: Engine = {
		store: openStore(path, credentials),
		openAt: fileOpener(credentials),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	};
	const version = whole("--version", values.version);
	const snapshot = await loadSnapshot(
		engine,
		version === undefined ? {} : { version },
	);
	if (snapshot === undefined)
		throw new DeltaError(
			"DELTA_TABLE_NOT_FOUND",
			`${engine.store.url} holds no Delta table (no _delta_log)`,
		);
	const json = values.json === true;
	switch (command) {
		case "show":
			show(snapshot, json, out);
			return;
		case "schema":
			if (json) out.write(`${JSON.stringify(snapshot.schema)}\n`);
			else
				for (const field of snapshot.schema.fields)
					out.write(`${field.name}\t${typeText(field.type)}\n`);
			return;
		case "history":
			await history(engine, snapshot, json, out);
			return;
		case "files":
			for (const file of snapshot.files.values())
				out.write(
					json
						? `${JSON.stringify(file)}\n`
						: `${file.path}\t${file.size} bytes\t${rowsOf(file.stats)} rows\t${file.deletionVector?.cardinality ?? 0} deleted\n`,
				);
			return;
		default:
			await read(engine, snapshot, values, out);
	}
}

function flags(argv: readonly string[]) {
	try {
		return parseArgs({
			args: [...argv],
			allowPositionals: true,
			options: {
				version: { type: "string" },
				columns: { type: "string" },
				format: { type: "string", default: "table" },
				limit: { type: "string" },
				count: { type: "boolean" },
				json: { type: "boolean" },
				help: { type: "boolean", short: "h" },
			},
		});
	} catch (cause) {
		throw new ConfigError(
			`${cause instanceof Error ? cause.message : String(cause)}; see tributary table --help`,
			{ cause },
		);
	}
}

function whole(flag: string, text: string | undefined): number | undefined {
	if (text === undefined) return undefined;
	if (!/^\d{1,15}$/.test(text))
		throw new ConfigError(`${flag} ${text} is not a whole number`);
	return Number(text);
}

function show(snapshot: Snapshot, json: boolean, out: Output): void {
	const files = [...snapshot.files.values()];
	const deleted = files.reduce(
		(sum, file) => sum + (file.deletionVector?.cardinality ?? 0),
		0,
	);
	const summary = {
		url: snapshot.url,
		version: snapshot.version,
		committed:
			snapshot.timestamp === undefined
				? null
				: new Date(snapshot.timestamp).toISOString(),
		rows: files.reduce((sum, file) => sum + rowsOf(file.stats), 0) - deleted,
		files: files.length,
		bytes: files.reduce((sum, file) => sum + file.size, 0),
		deletedRows: deleted,
		protocol: snapshot.protocol,
		partitionColumns: snapshot.metadata.partitionColumns,
		configuration: snapshot.metadata.configuration,
		positions: [...snapshot.txns.values()].map(({ appId, version }) => ({
			appId,
			version,
		})),
	};
	if (json) {
		out.write(`${JSON.stringify(summary)}\n`);
		return;
	}
	for (const [name, value] of Object.entries(summary))
		out.write(
			`${name.padEnd(17)} ${typeof value === "object" && value !== null ? JSON.stringify(value) : value}\n`,
		);
}

async function history(
	engine: Engine,
	snapshot: Snapshot,
	json: boolean,
	out: Output,
): Promise<void> {
	for (let version = snapshot.version; version >= 0; version--) {
		const actions = await readCommit(engine, version);
		if (actions === undefined) return; // Older commits were cleaned up.
		const info = actions.flatMap((action) =>
			"commitInfo" in action ? [action.commitInfo] : [],
		)[0];
		const count = (kind: string): number =>
			actions.filter((action) => kind in action).length;
		const entry = {
			version,
			timestamp: new Date(info?.timestamp ?? 0).toISOString(),
			operation: info?.operation ?? "unknown",
			added: count("add"),
			removed: count("remove"),
			schemaChanged: count("metaData") > 0,
		};
		out.write(
			json
				? `${JSON.stringify(entry)}\n`
				: `${String(version).padStart(6)}  ${entry.timestamp}  ${entry.operation.padEnd(10)}  +${entry.added} -${entry.removed}${entry.schemaChanged ? "  schema" : ""}\n`,
		);
	}
}

async function read(
	engine: Engine,
	snapshot: Snapshot,
	values: ReturnType<typeof flags>["values"],
	out: Output,
): Promise<void> {
	const columns = values.columns?.split(",").map((name) => name.trim());
	const limit = whole("--limit", values.limit) ?? Number.POSITIVE_INFINITY;
	const format = values.format;
	if (!["table", "ndjson", "csv"].includes(format))
		throw new ConfigError(
			`--format ${format} is not known: use table, ndjson or csv`,
		);
	let rows = 0;
	const cells: string[][] = [];
	const names = columns ?? snapshot.schema.fields.map((field) => field.name);
	if (format === "csv" && values.count !== true)
		out.write(`${names.map(csv).join(",")}\n`);
	for await (const batch of readTable(
		engine,
		snapshot,
		columns === undefined ? {} : { columns },
	)) {
		if (values.count === true) {
			rows += batch.length;
			continue;
		}
		const order = names.map((name) =>
			batch.schema.fields.findIndex((field) => field.name === name),
		);
		for (let row = 0; row < batch.length && rows < limit; row++, rows++) {
			const line = order.map((at) => {
				const type = batch.schema.fields[at]?.type ?? "void";
				const vector = batch.columns[at];
				const value = vector === undefined ? null : valueAt(vector, type, row);
				if (format === "ndjson") return toJson(value, type);
				return value === null && format === "csv"
					? ""
					: formatValue(value, type);
			});
			if (format === "ndjson")
				out.write(
					`{${line.map((text, i) => `${JSON.stringify(names[i])}:${text}`).join(",")}}\n`,
				);
			else if (format === "csv") out.write(`${line.map(csv).join(",")}\n`);
			else cells.push(line);
		}
		if (rows >= limit) break;
	}
	if (values.count === true) out.write(`${rows}\n`);
	else if (format === "table") out.write(tableText(names, cells));
}

const WIDEST = 40;

/** Rows as aligned columns; long values are cut, which the other formats never do. */
export function tableText(
	names: readonly string[],
	rows: readonly (readonly string[])[],
): string {
	const cut = (text: string): string =>
		text.length > WIDEST ? `${text.slice(0, WIDEST - 1)}…` : text;
	const lines = [names, ...rows].map((line) => line.map(cut));
	const widths = names.map((_, i) =>
		Math.max(...lines.map((line) => (line[i] ?? "").length)),
	);
	return lines
		.map(
			(line) =>
				`${line
					.map((text, i) => text.padEnd(widths[i] ?? 0))
					.join("  ")
					.trimEnd()}\n`,
		)
		.join("");
}

function csv(text: string): string {
	return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function rowsOf(stats: string | undefined): number {
	return (JSON.parse(stats ?? "{}") as { numRecords?: number }).numRecords ?? 0;
}

function typeText(type: unknown): string {
	return typeof type === "string" ? type : JSON.stringify(type);
}
