import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import type { z } from "zod";
import { ConfigError, messageOf } from "../errors.ts";
import { type CdcPipeline, cdcPipeline } from "../resource/cdc-pipeline.ts";
import { secretEnvName } from "../resource/secrets.ts";
import type { SecretReader } from "../writer/config.ts";

export interface PipelineFiles {
	readonly pipelines: readonly CdcPipeline[];
	readonly secret: SecretReader;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads `CdcPipeline` and `Secret` documents. A value of a Secret comes from the environment
 * variable `TRIBUTARY_SECRET_<NAME>_<KEY>` or, without that, from a Secret document.
 * @throws ConfigError naming the file, the document, the field and what is allowed
 */
export function readPipelineFiles(
	files: readonly string[],
	env: Environment,
): PipelineFiles {
	const pipelines: CdcPipeline[] = [];
	const secrets = new Map<string, string>();
	for (const file of files) {
		let text: string;
		try {
			text = readFileSync(file, "utf8");
		} catch (cause) {
			throw new ConfigError(`can't read ${file}: ${messageOf(cause)}`, {
				cause,
			});
		}
		for (const [index, document] of parseAllDocuments(text).entries()) {
			const where = `${file}, document ${index + 1}`;
			const broken = document.errors[0];
			if (broken !== undefined)
				throw new ConfigError(`${where}: ${broken.message}`);
			const content: unknown = document.toJS();
			if (content === null || content === undefined) continue;
			const kind =
				typeof content === "object" && "kind" in content
					? String(content.kind)
					: "none";
			if (kind === "Secret") readSecret(content, secrets, where);
			else if (kind === "CdcPipeline") pipelines.push(parse(content, where));
			else
				throw new ConfigError(
					`${where}: kind ${kind} can't be run without a cluster: use CdcPipeline and Secret`,
				);
		}
	}
	if (pipelines.length === 0)
		throw new ConfigError(`${files.join(", ")}: no CdcPipeline in it`);
	return {
		pipelines: pipelines.map((pipeline) => override(pipeline, env)),
		secret: (name, key) =>
			env[secretEnvName(name, key)] ?? secrets.get(`${name}/${key}`),
	};
}

/** Where the parts are, for one machine or a test: the environment wins over the file. */
function override(pipeline: CdcPipeline, env: Environment): CdcPipeline {
	const { spec } = pipeline;
	const brokers = env.KAFKA_BOOTSTRAP_SERVERS;
	const location = env.TRIBUTARY_SINK_LOCATION;
	return {
		...pipeline,
		spec: {
			...spec,
			kafka: {
				...spec.kafka,
				...(brokers === undefined || brokers === ""
					? {}
					: { bootstrapServers: brokers.split(",").map((one) => one.trim()) }),
				...(env.KAFKA_CONNECT_URL === undefined
					? {}
					: { connectUrl: env.KAFKA_CONNECT_URL }),
			},
			sink: {
				...spec.sink,
				...(location === undefined
					? {}
					: {
							location: `${location.replace(/\/+$/, "")}/${pipeline.metadata.name}`,
						}),
			},
		},
	};
}

/** @throws ConfigError with every problem, each with its path and value */
export function parse(content: unknown, where: string): CdcPipeline {
	const result = cdcPipeline.safeParse(content);
	if (result.success) return result.data;
	throw new ConfigError(
		`${where}: ${result.error.issues.map((issue) => problem(issue, content)).join("; ")}`,
	);
}

export function problem(issue: z.core.$ZodIssue, content: unknown): string {
	const path = issue.path.map(String).join(".");
	if (issue.code === "unrecognized_keys")
		return issue.keys
			.map(
				(key) =>
					`unknown field ${path === "" ? key : `${path}.${key}`}: correct or remove it`,
			)
			.join("; ");
	let value: unknown = content;
	for (const step of issue.path)
		value =
			typeof value === "object" && value !== null
				? (value as Record<PropertyKey, unknown>)[step]
				: undefined;
	return value === undefined
		? `${path} is missing (${issue.message})`
		: `${path}: ${JSON.stringify(value)}: ${issue.message}`;
}

function readSecret(
	content: object,
	secrets: Map<string, string>,
	where: string,
): void {
	const { metadata, stringData, data } = content as {
		metadata?: { name?: unknown };
		stringData?: Record<string, unknown>;
		data?: Record<string, unknown>;
	};
	if (typeof metadata?.name !== "string")
		throw new ConfigError(`${where}: the Secret has no metadata.name`);
	for (const [key, value] of Object.entries(data ?? {}))
		secrets.set(
			`${metadata.name}/${key}`,
			Buffer.from(String(value), "base64").toString("utf8"),
		);
	for (const [key, value] of Object.entries(stringData ?? {}))
		secrets.set(`${metadata.name}/${key}`, String(value));
}
