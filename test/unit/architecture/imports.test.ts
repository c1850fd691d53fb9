import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { expect, test } from "vitest";

const SRC = resolve(import.meta.dirname, "../../../src");

/** What a room may import, besides itself and the files at the root of `src/`. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
	cli: [
		"expression",
		"operator",
		"kube",
		"connect",
		"writer",
		"change",
		"delta",
		"index",
		"columnar",
		"storage",
		"maintain",
		"query",
		"ingest",
		"observe",
		"resource",
	],
	operator: ["kube", "connect", "observe", "resource"],
	writer: [
		"change",
		"delta",
		"expression",
		"index",
		"columnar",
		"storage",
		"observe",
		"resource",
	],
	maintain: [
		"delta",
		"expression",
		"index",
		"columnar",
		"storage",
		"observe",
		"resource",
	],
	query: ["delta", "expression", "columnar", "storage", "observe", "resource"],
	ingest: [
		"change",
		"delta",
		"expression",
		"columnar",
		"storage",
		"observe",
		"resource",
	],
	change: ["columnar", "resource"],
	delta: ["expression", "columnar", "storage"],
	connect: ["resource"],
	index: ["columnar", "storage"],
	expression: ["columnar"],
	columnar: ["storage"],
	storage: [],
	kube: [],
	observe: [],
	resource: [],
};

interface Import {
	readonly from: string;
	readonly to: string;
}

function imports(): Import[] {
	const found: Import[] = [];
	for (const entry of readdirSync(SRC, {
		recursive: true,
		withFileTypes: true,
	})) {
		if (!entry.isFile() || !entry.name.endsWith(".ts")) continue;
		const file = join(entry.parentPath, entry.name);
		const text = readFileSync(file, "utf8");
		for (const match of text.matchAll(
			/(?:from|import)\s*\(?\s*"(\.{1,2}\/[^"]+)"/g,
		)) {
			found.push({
				from: relative(SRC, file),
				to: relative(SRC, resolve(dirname(file), match[1] ?? "")),
			});
		}
	}
	return found;
}

function room(path: string): string {
	return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

const edges = imports();

test("no import runs up or sideways between rooms", () => {
	expect(edges.length).toBeGreaterThan(0);
	const wrong = edges.filter(({ from, to }) => {
		const source = room(from);
		const target = room(to);
		if (to.startsWith("..")) return true;
		if (source === "" || target === "" || source === target)
			return source === "" && target !== "";
		return !(ALLOWED[source]?.includes(target) ?? false);
	});
	expect(wrong).toEqual([]);
});

test("no files import each other in a circle", () => {
	const next = new Map<string, string[]>();
	for (const { from, to } of edges)
		next.set(from, [...(next.get(from) ?? []), to]);
	const state = new Map<string, "open" | "done">();
	const circles: string[] = [];
	const visit = (file: string, path: readonly string[]): void => {
		if (state.get(file) === "done") return;
		if (state.get(file) === "open") {
			circles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
			return;
		}
		state.set(file, "open");
		for (const target of next.get(file) ?? []) visit(target, [...path, file]);
		state.set(file, "done");
	};
	for (const file of next.keys()) visit(file, []);
	expect(circles).toEqual([]);
});

test("the protocol code does no I/O of its own", () => {
	const io =
		/from "(?:node:(?:fs|net|http|https|tls|dns|child_process|worker_threads)[^"]*|@aws-sdk\/[^"]*|kafkajs|@kubernetes\/client-node)"/;
	const files = readdirSync(SRC, { recursive: true, encoding: "utf8" }).filter(
		(file) => /^(delta|change|expression|columnar|index)\/.*\.ts$/.test(file),
	);
	expect(files.length).toBeGreaterThan(0);
	expect(
		files.filter((file) => io.test(readFileSync(join(SRC, file), "utf8"))),
	).toEqual([]);
});
