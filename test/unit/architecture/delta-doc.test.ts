import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { expect, test } from "vitest";
import { FEATURES, type Feature } from "../../../src/delta/features.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const PAGE = readFileSync(join(ROOT, "docs/reference/delta.md"), "utf8");

/** Cells of the rows of the tables below a heading. */
function rowsBelow(heading: string): string[][] {
	const [, section = ""] = PAGE.split(`## ${heading}\n`);
	return [...(section.split("\n## ")[0] ?? "").matchAll(/^\| (.+) \|$/gm)]
		.map((match) => (match[1] ?? "").split(" | ").map((cell) => cell.trim()))
		.slice(1);
}

const WRITTEN: Readonly<Record<Feature["write"], string>> = {
	always: "yes",
	inactive: "while unused",
	never: "refused",
};

test("the page says of every feature what the engine does with it, and of no other", () => {
	expect(
		rowsBelow("Table features").map(([name, read, written]) => [
			name,
			read,
			written,
		]),
	).toEqual(
		Object.entries(FEATURES).map(([name, { read, write }]) => [
			`\`${name}\``,
			read ? "yes" : "refused",
			WRITTEN[write],
		]),
	);
});

test("every row names tests, and each of them exists", () => {
	const rows = [
		...rowsBelow("Table features"),
		...rowsBelow("Beside the features"),
	];
	expect(rows.length).toBeGreaterThan(50);
	for (const row of rows) {
		const files = [...(row.at(-1) ?? "").matchAll(/`([^`]+)`/g)].map(
			(match) => match[1] ?? "",
		);
		expect(files.length, row.join(" | ")).toBeGreaterThan(0);
		expect(
			files.filter((file) => !existsSync(join(ROOT, "test", file))),
		).toEqual([]);
	}
});
