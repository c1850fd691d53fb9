import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { generatedFiles } from "../../../src/cli/generate.ts";
import { helmValues } from "../../../src/resource/helm-values.ts";

const ROOT = resolve(import.meta.dirname, "../../..");

test.each([...generatedFiles().keys()])(
	"%s is what `npm run generate` writes",
	(path) => {
		const file = join(ROOT, path);
		expect(existsSync(file), `${path} is missing: npm run generate`).toBe(true);
		expect(readFileSync(file, "utf8")).toBe(generatedFiles().get(path));
	},
);

test("the chart's values.yaml holds the defaults of its schema, and no unknown value", () => {
	const values = parse(
		readFileSync(join(ROOT, "helm/tributary/values.yaml"), "utf8"),
	);
	expect(values).toEqual(helmValues.parse({}));
	expect(helmValues.parse(values)).toEqual(values);
});
