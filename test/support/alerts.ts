import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";

export const ROOT = resolve(import.meta.dirname, "../..");
export const RULES_FILE = join(ROOT, "helm/tributary/files/alerts.yaml");
export const RULE_TESTS_FILE = join(ROOT, "test/alerts/alerts.test.yaml");

export interface AlertRule {
	readonly alert: string;
	readonly expr: string;
	readonly for?: string;
	readonly labels: Readonly<Record<string, string>>;
	readonly annotations: Readonly<Record<string, string>>;
}

/** Every alert of the chart, in order. */
export function alertRules(): readonly AlertRule[] {
	const { groups } = parse(readFileSync(RULES_FILE, "utf8")) as {
		groups: readonly { readonly rules: readonly AlertRule[] }[];
	};
	return groups.flatMap(({ rules }) => rules);
}

/** What `promtool test rules` is told to expect. */
export function ruleTests(): readonly {
	readonly alertname: string;
	readonly exp_alerts: readonly unknown[];
}[] {
	const { tests } = parse(readFileSync(RULE_TESTS_FILE, "utf8")) as {
		tests: readonly {
			readonly alert_rule_test: readonly {
				readonly alertname: string;
				readonly exp_alerts: readonly unknown[];
			}[];
		}[];
	};
	return tests.flatMap(({ alert_rule_test }) => alert_rule_test);
}
