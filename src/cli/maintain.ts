import { parseArgs } from "node:util";
import { ConfigError, messageOf, TributaryError } from "../errors.ts";
import {
	type MaintenanceReport,
	maintainLocation,
	type Task,
} from "../maintain/location.ts";
import { createLogger } from "../observe/log.ts";
import {
	bytesQuantity,
	durationText,
	parseBytes,
	parseDuration,
} from "../resource/quantity.ts";
import {
	openBelow,
	openStore,
	type StorageCredentials,
	storageCredentials,
} from "../storage/open.ts";
import { sinkCredentials } from "../writer/config.ts";
import { readPipelineFiles } from "./pipeline-file.ts";
import { engineOn } from "./table/open.ts";
import { sizeText } from "./table/size-text.ts";
import { leaveMessage } from "./termination.ts";

export const MAINTAIN_USAGE = `Usage: tributary maintain optimize|vacuum (--location L | --config FILE) [flags]

Looks after every Delta table below a location, beside its writers: optimize writes small files
together and leaves deleted rows out, vacuum deletes files that no version within the retention needs.

  --location L           a local folder or s3://bucket/prefix; credentials from AWS_… variables
  --config FILE          a CdcPipeline: its location, Secret and spec.maintenance
  --target-file-size S   optimize: such as 256Mi; delta.targetFileSize, or 256Mi, when absent
  --z-order A,B          optimize: rows in the order of a Z-curve, in tables that have these columns
  --retention T          vacuum: such as 168h; a table that wants more keeps more
  --exclude FOLDER       leave out the table in this folder below the location; repeat for more
  --json                 the report as JSON
  --help
`;

/** Exit status 1 when a table failed. @throws ConfigError for bad flags */
export async function maintainCommand(
	argv: readonly string[],
	out: { write(text: string): void },
): Promise<void> {
	const { values: flags, positionals } = parse(argv);
	if (flags.help === true) {
		out.write(MAINTAIN_USAGE);
		return;
	}
	const [operation, ...more] = positionals;
	if ((operation !== "optimize" && operation !== "vacuum") || more.length > 0)
		throw new ConfigError(
			`tributary maintain ${positionals.join(" ") || "without a word"}: it takes optimize or vacuum; see tributary maintain --help`,
		);
	const { location, credentials, settings } = placeOf(flags);
	const task = taskOf(operation, flags, settings);
	const log = createLogger({
		level: process.env.LOG_LEVEL ?? "info",
		name: "maintain",
	});
	const stop = new AbortController();
	const onSignal = (): void => stop.abort();
	process.once("SIGTERM", onSignal);
	process.once("SIGINT", onSignal);
	let report: MaintenanceReport;
	try {
		report = await maintainLocation({
			store: openStore(location, credentials),
			engineOf: (folder) =>
				engineOn(
					folder === ""
						? openStore(location, credentials)
						: openBelow(location, folder, credentials),
					credentials,
				),
			task,
			exclude: new Set(flags.exclude ?? []),
			log,
			now: Date.now,
			signal: stop.signal,
		});
	} catch (error) {
		leaveMessage(reportMessage({ operation, error: messageOf(error) }));
		throw error;
	} finally {
		process.off("SIGTERM", onSignal);
		process.off("SIGINT", onSignal);
	}
	leaveMessage(reportMessage(report));
	out.write(
		flags.json === true ? `${JSON.stringify(report)}\n` : textOf(report),
	);
	const [first] = report.failed;
	if (first !== undefined)
		throw new TributaryError(
			"MAINTENANCE_FAILED",
			`${report.failed.length} of ${report.tables} tables could not be maintained, ${first.table} for one: ${first.message}`,
		);
}

type Flags = ReturnType<typeof parse>["values"];

function parse(argv: readonly string[]) {
	try {
		return parseArgs({
			args: [...argv],
			allowPositionals: true,
			options: {
				location: { type: "string" },
				config: { type: "string" },
				"target-file-size": { type: "string" },
				"z-order": { type: "string" },
				retention: { type: "string" },
				exclude: { type: "string", multiple: true },
				json: { type: "boolean" },
				help: { type: "boolean", short: "h" },
			},
		});
	} catch (cause) {
		throw new ConfigError(
			`${messageOf(cause).split("\n")[0]}; see tributary maintain --help`,
			{ cause },
		);
	}
}

interface Settings {
	readonly targetFileSize?: string | undefined;
	readonly zOrderBy?: readonly string[];
	readonly retention?: string | undefined;
}

function placeOf(flags: Flags): {
	readonly location: string;
	readonly credentials: StorageCredentials;
	readonly settings: Settings;
} {
	const { location, config } = flags;
	if ((location === undefined) === (config === undefined))
		throw new ConfigError(
			"tributary maintain needs --location or --config, one of the two",
		);
	if (location !== undefined)
		return {
			location,
			credentials: storageCredentials(process.env),
			settings: {},
		};
	const { pipelines, secret } = readPipelineFiles([config ?? ""], process.env);
	const [pipeline, second] = pipelines;
	if (pipeline === undefined || second !== undefined)
		throw new ConfigError(
			`${config} has ${pipelines.length} CdcPipelines: tributary maintain takes one`,
		);
	const { sink, maintenance } = pipeline.spec;
	const { targetFileSize, zOrderBy } = maintenance.optimize;
	return {
		location: sink.location,
		credentials: sinkCredentials(sink, secret),
		settings: {
			targetFileSize,
			zOrderBy: zOrderBy.length > 0 ? zOrderBy : sink.clusterBy,
			retention: maintenance.vacuum.retention,
		},
	};
}

/** @throws ConfigError */
function taskOf(operation: Task["do"], flags: Flags, settings: Settings): Task {
	const refuse = (names: readonly (keyof Flags)[]): void => {
		for (const name of names)
			if (flags[name] !== undefined)
				throw new ConfigError(
					`tributary maintain ${operation} takes no --${name}; see tributary maintain --help`,
				);
	};
	if (operation === "vacuum") {
		refuse(["target-file-size", "z-order"]);
		const retention = flags.retention ?? settings.retention;
		if (retention === undefined) return { do: "vacuum" };
		if (!durationText.safeParse(retention).success)
			throw new ConfigError(
				`--retention ${retention} is no duration; write one like 168h or 7d`,
			);
		return { do: "vacuum", retentionMs: parseDuration(retention) };
	}
	refuse(["retention"]);
	const size = flags["target-file-size"] ?? settings.targetFileSize;
	const bytes =
		size !== undefined && bytesQuantity.safeParse(size).success
			? parseBytes(size)
			: 0;
	if (size !== undefined && bytes === 0)
		throw new ConfigError(
			`--target-file-size ${size} is no size; write one like 134217728 or 128Mi`,
		);
	return {
		do: "optimize",
		...(size !== undefined && { targetBytes: bytes }),
		zOrderBy:
			flags["z-order"]
				?.split(",")
				.map((name) => name.trim())
				.filter((name) => name !== "") ??
			settings.zOrderBy ??
			[],
	};
}

function textOf(report: MaintenanceReport): string {
	const { operation, tables, failed } = report;
	const what =
		operation === "optimize"
			? `${report.filesRemoved} files of ${sizeText(report.bytesRemoved)} became ${report.filesAdded} of ${sizeText(report.bytesAdded)}`
			: `${report.filesRemoved} files of ${sizeText(report.bytesRemoved)} were deleted`;
	return `${operation}: ${tables - failed.length} of ${tables} tables, ${what}${report.interrupted ? "; interrupted" : ""}\n`;
}

/** What the kubelet's message of a container holds at most. */
const MESSAGE_BYTES = 4096;
const SHOWN_FAILURES = 5;

/**
 * The report as the operator finds it, in the message that the container leaves: tables that something
 * was done to are listed as far as there is room, and `complete` says whether all are.
 */
export function reportMessage(
	report: MaintenanceReport | { operation: string; error: string },
): string {
	if ("error" in report)
		return JSON.stringify({ ...report, error: report.error.slice(0, 2000) });
	const text = (listed: number, shown: number): string =>
		JSON.stringify({
			...report,
			failures: report.failed.length,
			failed: report.failed.slice(0, shown).map(({ table, message }) => ({
				table: table.slice(0, 200),
				message: message.slice(0, 400),
			})),
			each: report.each.slice(0, listed),
			complete: listed === report.each.length,
		});
	let [listed, shown] = [report.each.length, SHOWN_FAILURES];
	for (;;) {
		const message = text(listed, shown);
		const least = listed === 0 && shown === 1;
		if (least || Buffer.byteLength(message) <= MESSAGE_BYTES) return message;
		if (listed > 0) listed = Math.floor(listed / 2);
		else shown--;
	}
}
