import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Engine } from "../../delta/engine.ts";
import { ConfigError } from "../../errors.ts";
import {
	fileOpener,
	openBelow,
	type StorageCredentials,
	storageCredentials,
} from "../../storage/open.ts";
import { type WriterConfig, writerConfig } from "../../writer/config.ts";
import { DEAD_LETTERS } from "../../writer/dead-letter.ts";
import { DeadLetterTable } from "../../writer/dead-letter-table.ts";
import { writerConfigFromEnvironment } from "../../writer/environment.ts";
import {
	type NamedLetter,
	parseLetterName,
} from "../../writer/letter-filter.ts";
import { readPipelineFiles } from "../pipeline-file.ts";
import { suggestion } from "../table/nearest.ts";
import type { Output } from "../table/output.ts";
import type { Flags } from "./flags.ts";

/** What every command on dead letters has at hand. */
export interface DlqContext {
	readonly flags: Flags;
	readonly out: Output;
	/** For bytes. */
	readonly stream: NodeJS.WritableStream;
	/** Letters that are named one by one. */
	readonly names: readonly NamedLetter[];
	readonly deadLetters: DeadLetterTable;
	readonly engineAt: (path: string) => Engine;
	/** `undefined` for a location alone. */
	readonly config: WriterConfig | undefined;
	readonly nowMs: number;
}

/** @throws ConfigError for flags and arguments that name no location, or no letters */
export function openDlq(
	flags: Flags,
	args: readonly string[],
	outputs: Pick<DlqContext, "out" | "stream">,
): DlqContext {
	const config = configOf(flags);
	const [first, ...rest] = args;
	const location = config?.location ?? first?.replace(/\/+$/, "");
	if (location === undefined || location === "")
		throw new ConfigError(
			"dlq needs to know where: a location such as s3://lake/shop, the pipeline's YAML by -f FILE, or --environment",
		);
	const credentials = config?.credentials ?? storageCredentials(process.env);
	const suffix = `/${DEAD_LETTERS}`;
	const engineAt = engines(
		location.endsWith(suffix) ? location.slice(0, -suffix.length) : location,
		credentials,
	);
	return {
		...outputs,
		flags,
		names: (config === undefined ? rest : args).map(namedLetter),
		deadLetters: new DeadLetterTable(engineAt(DEAD_LETTERS)),
		engineAt,
		config,
		nowMs: Date.now(),
	};
}

function configOf(flags: Flags): WriterConfig | undefined {
	const { file, pipeline, environment } = flags;
	if (file !== undefined && environment === true)
		throw new ConfigError(
			"--file and --environment don't go together: leave one out",
		);
	if (environment === true) return writerConfigFromEnvironment(process.env);
	if (file === undefined) {
		if (pipeline !== undefined)
			throw new ConfigError("--pipeline is one of a file: add -f FILE");
		return undefined;
	}
	const { pipelines, secret } = readPipelineFiles(file, process.env);
	const names = pipelines.map(({ metadata }) => metadata.name);
	if (pipeline === undefined && pipelines.length > 1)
		throw new ConfigError(
			`${file.join(", ")}: there are ${names.length} pipelines: name one of ${names.join(", ")} by --pipeline`,
		);
	const found = pipelines.find(
		({ metadata }) => pipeline === undefined || metadata.name === pipeline,
	);
	if (found === undefined)
		throw new ConfigError(
			`--pipeline ${pipeline}: ${file.join(", ")} has none of that name${suggestion(pipeline ?? "", names) || `; it has ${names.join(", ")}`}`,
		);
	return writerConfig(found, secret);
}

function engines(
	location: string,
	credentials: StorageCredentials,
): (path: string) => Engine {
	return (path) => ({
		store: openBelow(location, path, credentials),
		openAt: fileOpener(credentials),
		now: Date.now,
		uuid: randomUUID,
		sleep: (ms) => sleep(ms),
		random: Math.random,
	});
}

function namedLetter(text: string): NamedLetter {
	const named = parseLetterName(text);
	if (named === undefined)
		throw new ConfigError(
			`${text} names no dead letter; write it as dlq list does: orders/0/123, for table, partition and offset`,
		);
	return named;
}
