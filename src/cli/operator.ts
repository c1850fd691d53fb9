import { hostname } from "node:os";
import { apiAccess } from "../kube/access.ts";
import { createApiClient } from "../kube/client.ts";
import { createLogger } from "../observe/log.ts";
import { kafkaConnectors } from "../operator/cdc-pipeline/connector.ts";
import { OPERATOR_USAGE, operatorSettings } from "../operator/environment.ts";
import { operatorMetrics } from "../operator/metrics.ts";
import { runOperator } from "../operator/operator.ts";

interface Output {
	write(text: string): void;
}

/**
 * Runs the operator until SIGTERM or SIGINT, or until another process leads.
 *
 * @throws ConfigError for a bad flag or variable
 */
export async function operatorCommand(
	argv: readonly string[],
	out: Output,
): Promise<void> {
	if (argv.includes("--help") || argv.includes("-h")) {
		out.write(OPERATOR_USAGE);
		return;
	}
	const settings = operatorSettings(argv, process.env, {
		hostname: hostname(),
	});
	const access = await apiAccess(process.env);
	const metrics = operatorMetrics();
	const stop = new AbortController();
	const end = (): void => stop.abort();
	process.once("SIGTERM", end);
	process.once("SIGINT", end);
	try {
		await runOperator({
			client: createApiClient(access, {
				userAgent: "tributary-operator",
				onAnswer: metrics.answered,
			}),
			metrics,
			settings,
			connectors: kafkaConnectors(Date.now),
			log: createLogger({
				level: settings.writers.logLevel,
				name: "operator",
			}),
			signal: stop.signal,
		});
	} finally {
		process.off("SIGTERM", end);
		process.off("SIGINT", end);
	}
}
