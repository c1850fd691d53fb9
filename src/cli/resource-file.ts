import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import type { z } from "zod";
import { ConfigError, messageOf } from "../errors.ts";
import type { SecretReader } from "../resource/kafka-access.ts";
import { secretEnvName } from "../resource/secrets.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ResourceFiles {
	readonly documents: readonly {
		readonly content: unknown;
		/** For messages. */
		readonly where: string;
	}[];
	readonly secret: SecretReader;
}

/**
 * Reads documents of one kind, and `Secret` documents. A value of a Secret comes from the environment
 * variable `TRIBUTARY_SECRET_<NAME>_<KEY>` or, without that, from a Secret document.
 * @throws ConfigError naming the file and the document
 */
export function readResourceFiles(
	files: readonly string[],
	wanted: string,
	env: Environment,
): ResourceFiles {
	const documents: { content: unknown; where: string }[] = [];
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
			else if (kind === wanted) documents.push({ content, where });
			else
				throw new ConfigError(
					`${where}: kind ${kind} can't be run without a cluster: use ${wanted} and Secret`,
				);
		}
	}
	if (documents.length === 0)
		throw new ConfigError(`${files.join(", ")}: no ${wanted} in it`);
	return {
		documents,
		secret: (name, key) =>
			env[secretEnvName(name, key)] ?? secrets.get(`${name}/${key}`),
	};
}

/** @throws ConfigError with every problem, each with its path and value */
export function parseResource<T>(
	type: z.ZodType<T>,
	content: unknown,
	where: string,
): T {
	const result = type.safeParse(content);
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
