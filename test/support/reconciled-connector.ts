import { expect, vi } from "vitest";
import type { ConnectorOutcome } from "../../src/connect/reconcile.ts";
import { kafkaConnectors } from "../../src/operator/cdc-pipeline/connector.ts";
import type { CdcPipeline } from "../../src/resource/cdc-pipeline.ts";
import type { PipelineActionsStatus } from "../../src/resource/cdc-pipeline-actions.ts";

/** Looks of the operator at a pipeline's connector; between them it keeps what the status would say. */
export function looks(uri: string) {
	const connectors = kafkaConnectors(Date.now);
	let before: PipelineActionsStatus | undefined;
	let fresh = true;
	return async (now: CdcPipeline): Promise<ConnectorOutcome> => {
		const outcome = await connectors.reconcile(now, uri, {
			access: {},
			before,
			fresh,
			secret: () => undefined,
		});
		before = outcome.actions ?? before;
		fresh = false;
		return { ...outcome, actions: before };
	};
}

/** How long a connector may take. */
export const soon = { timeout: 90_000, interval: 1_000 };

/** Looks until the outcome is as wanted. */
export function until(
	look: () => Promise<ConnectorOutcome>,
	wanted: object,
): Promise<ConnectorOutcome> {
	return vi.waitFor(async () => {
		const outcome = await look();
		expect(outcome).toMatchObject(wanted);
		return outcome;
	}, soon);
}
