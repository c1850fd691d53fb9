import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { DASHBOARDS } from "../../src/observe/dashboards.ts";
import { CACHE } from "../../stack/cache.ts";
import { RULE_TESTS_FILE, RULES_FILE } from "../support/alerts.ts";

const run = promisify(execFile);
const PROMTOOL = join(CACHE, "promtool/bin/promtool");
const installed = existsSync(PROMTOOL) || process.env.CI === "true";

test.skipIf(!installed)("Prometheus takes the alert rules", async () => {
	const { stdout } = await run(PROMTOOL, [
		"check",
		"rules",
		"--lint=all",
		"--lint-fatal",
		RULES_FILE,
	]);
	expect(stdout).toMatch(/SUCCESS: \d\d rules found/);
});

test.skipIf(!installed)(
	"every alert fires for its trouble, and for nothing that looks like it",
	async () => {
		const { stdout } = await run(PROMTOOL, ["test", "rules", RULE_TESTS_FILE]);
		expect(stdout).toContain("SUCCESS");
	},
);

test.skipIf(!installed)(
	"Prometheus can parse every query of the dashboards",
	async () => {
		const queries = Object.values(DASHBOARDS).flatMap(({ rows }) =>
			rows
				.flatMap(({ panels }) => panels)
				.flatMap((panel) => panel.queries.map(({ expr }) => expr)),
		);
		const dir = await mkdtemp(join(tmpdir(), "tributary-queries-"));
		try {
			const file = join(dir, "queries.yaml");
			// What Grafana puts in for its variable; the others stand in strings.
			const rules = queries.map((expr, index) => ({
				record: `query_${index}`,
				expr: expr.replaceAll("$__rate_interval", "5m"),
			}));
			await writeFile(file, stringify({ groups: [{ name: "q", rules }] }));
			const { stdout } = await run(PROMTOOL, ["check", "rules", file]);
			expect(stdout).toContain(`SUCCESS: ${queries.length} rules found`);
		} finally {
			await rm(dir, { recursive: true, force: true });
		}
	},
);
