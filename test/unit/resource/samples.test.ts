import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { cdcPipeline } from "../../../src/resource/cdc-pipeline.ts";
import { deltaTable } from "../../../src/resource/delta-table.ts";
import { fileIngestion } from "../../../src/resource/file-ingestion.ts";
import { tableOperation } from "../../../src/resource/table-operation.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const KINDS = {
	CdcPipeline: cdcPipeline,
	DeltaTable: deltaTable,
	FileIngestion: fileIngestion,
	TableOperation: tableOperation,
};

/** Every whole object of ours in the samples, and in the YAML of the pages. */
function objects(): [where: string, object: { kind: keyof typeof KINDS }][] {
	const samples = readdirSync(join(ROOT, "manifests/samples")).map(
		(name) => `manifests/samples/${name}`,
	);
	const pages = readdirSync(join(ROOT, "docs"), {
		recursive: true,
		encoding: "utf8",
	})
		.filter((name) => name.endsWith(".md"))
		.map((name) => `docs/${name}`);
	return [...samples, ...pages].flatMap((path) => {
		const text = readFileSync(join(ROOT, path), "utf8");
		const blocks = path.endsWith(".md")
			? [...text.matchAll(/^```yaml\n(.*?)^```$/gms)].map(([, yaml]) => yaml)
			: [text];
		return blocks
			.flatMap((yaml = "") => parseAllDocuments(yaml))
			.map((document) => document.toJS() as { kind?: string } | null)
			.flatMap((object) =>
				object?.kind !== undefined && Object.hasOwn(KINDS, object.kind)
					? [[path, object as { kind: keyof typeof KINDS }] as const]
					: [],
			)
			.map(([where, object]): [string, { kind: keyof typeof KINDS }] => [
				where,
				object,
			]);
	});
}

test.each(objects())("an example of %s that can't be applied", (_, object) => {
	expect(KINDS[object.kind].safeParse(object).error?.message).toBe(undefined);
});

test("examples of every kind are there", () => {
	const kinds = new Set(objects().map(([, { kind }]) => kind));
	expect([...kinds].sort()).toEqual(Object.keys(KINDS).sort());
});
