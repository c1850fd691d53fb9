import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { alertRules, ROOT, ruleTests } from "../../support/alerts.ts";

const rules = alertRules();
const RUNBOOKS = "docs/operations/runbooks";

test.each(rules)(
	"$alert has a runbook with what to do",
	({ alert, annotations }) => {
		expect(annotations.runbook_url).toBe(`${RUNBOOKS}/${alert}.md`);
		const page = readFileSync(join(ROOT, RUNBOOKS, `${alert}.md`), "utf8");
		expect(page.split("\n").filter((line) => line.startsWith("#"))).toEqual([
			`# ${alert}`,
			"## What it means",
			"## What to look at",
			"## What to do",
		]);
	},
);

test("runbooks and the list of alerts have every alert, and none that is gone", () => {
	expect(readdirSync(join(ROOT, RUNBOOKS)).sort()).toEqual(
		rules.map(({ alert }) => `${alert}.md`).sort(),
	);
	const page = readFileSync(
		join(ROOT, "docs/operations/monitoring.md"),
		"utf8",
	);
	expect(
		[...page.matchAll(/^\| \[(\w+)\].* \| (\w+) \|/gm)].map((row) =>
			row.slice(1),
		),
	).toEqual(rules.map(({ alert, labels }) => [alert, labels.severity]));
});

test.each(rules)(
	"$alert is tested for firing and for keeping silent",
	({ alert }) => {
		const tests = ruleTests().filter(({ alertname }) => alertname === alert);
		expect(tests.filter((one) => one.exp_alerts.length > 0)).not.toEqual([]);
		expect(tests.filter((one) => one.exp_alerts.length === 0)).not.toEqual([]);
	},
);

test("every alert says how bad it is, and in one sentence what is wrong", () => {
	for (const { alert, labels, annotations } of rules) {
		expect(labels.severity, alert).toMatch(/^(info|warning|critical)$/);
		expect(annotations.summary, alert).toBeTruthy();
		expect(annotations.description, alert).toMatch(/\.$/);
	}
});
