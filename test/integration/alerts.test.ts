import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
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
