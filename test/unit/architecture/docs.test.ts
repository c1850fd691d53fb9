import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { expect, test } from "vitest";
import { REASONS } from "../../../src/operator/cdc-pipeline/reasons.ts";
import { TABLE_REASONS } from "../../../src/operator/delta-table/reasons.ts";
import { OPERATION_REASONS } from "../../../src/operator/table-operation/reasons.ts";
import { ENVIRONMENT } from "../../../src/writer/environment.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const pages = [
	"README.md",
	"ARCHITECTURE.md",
	"CHANGELOG.md",
	...readdirSync(join(ROOT, "docs"), { recursive: true, encoding: "utf8" })
		.filter((file) => file.endsWith(".md"))
		.map((file) => `docs/${file}`),
];

test("no link of a page leads nowhere", () => {
	const broken = pages.flatMap((page) =>
		[
			...read(page)
				.replace(/`[^`]*`/g, "")
				.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g),
		]
			.map((match) => match[1] ?? "")
			.filter((target) => !/^[a-z]+:/.test(target))
			.filter((target) => !existsSync(join(ROOT, dirname(page), target)))
			.map((target) => `${page}: ${target}`),
	);
	expect(broken).toEqual([]);
});

test("the writer's page has every variable", () => {
	const page = read("docs/reference/writer.md");
	for (const [name, text] of Object.entries(ENVIRONMENT))
		expect(page).toContain(`| \`${name}\` | ${text} |`);
});

test("every error code and every reason of a condition says what to do", () => {
	const page = read("docs/operations/failure-modes.md");
	const codes = new Set<string>();
	for (const file of readdirSync(join(ROOT, "src"), {
		recursive: true,
		encoding: "utf8",
	}))
		if (file.endsWith(".ts"))
			for (const match of read(`src/${file}`).matchAll(
				/(?:Error\(\s*|super\(\s*)"([A-Z]+_[A-Z_]+)"/g,
			))
				codes.add(match[1] ?? "");
	expect(codes.size).toBeGreaterThan(15);
	expect([...codes].filter((code) => !page.includes(code))).toEqual([]);
	const reasons = [REASONS, TABLE_REASONS, OPERATION_REASONS];
	const troubles = reasons
		.flatMap((some): string[] => Object.values(some))
		.filter((reason) =>
			/Refused|NotReady|NotWritten|Planned|Missing|Invalid|Failed|Unreadable|Unschedulable|Unavailable/.test(
				reason,
			),
		);
	expect(troubles.filter((reason) => !page.includes(reason))).toEqual([]);
});

test("the commands that the README names exist", () => {
	const makefile = read("Makefile");
	for (const [, target] of read("README.md").matchAll(/^make (\w[\w-]*)/gm))
		expect(makefile).toMatch(new RegExp(`^${target}:`, "m"));
});
