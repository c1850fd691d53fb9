import type { ActionsInput } from "../../connect/actions.ts";
import { type ConnectAccess, connectClient } from "../../connect/client.ts";
import { connectorName } from "../../connect/debezium.ts";
import {
	type ConnectorOutcome,
	type Restarts,
	reconcileConnector,
} from "../../connect/reconcile.ts";
import { removeConnector } from "../../connect/remove.ts";
import { kafkaSignals } from "../../connect/signal.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import { kafkaAccess, type SecretReader } from "../../resource/kafka-access.ts";

export type { ConnectorOutcome } from "../../connect/reconcile.ts";

/** What the operator asks of Kafka Connect. */
export interface Connectors {
	/**
	 * Brings the connector nearer to the pipeline, and takes its one-shot actions; expected troubles are
	 * outcomes.
	 */
	reconcile(
		pipeline: CdcPipeline,
		connectionUri: string,
		given: ActionsGiven,
	): Promise<ConnectorOutcome>;
	/**
	 * Deletes the connector, and what `source.reclaimPolicy` says; what is gone is fine.
	 *
	 * @param connectionUri - absent where its Secret is gone
	 * @throws TributaryError
	 */
	remove(
		pipeline: CdcPipeline,
		connectionUri: string | undefined,
		access: ConnectAccess,
	): Promise<void>;
}

export type ActionsGiven = Pick<ActionsInput, "before" | "fresh"> & {
	readonly access: ConnectAccess;
	/** Of Kafka's credentials; `undefined` while Secrets are missing: then actions wait. */
	readonly secret: SecretReader | undefined;
};

/** A worker must not hang on a Connect cluster that is away: the queue comes back to it. */
const PATIENCE = { timeoutMs: 10_000, attempts: 2 };

/** Connectors on the Kafka Connect cluster that each pipeline names. */
export function kafkaConnectors(nowMs: () => number): Connectors {
	// Only how soon a failed task is restarted hangs on it; a new leader starts over.
	const restarts = new Map<string, Restarts>();
	const signals = kafkaSignals();
	return {
		async reconcile(
			pipeline,
			connectionUri,
			{ access, before, fresh, secret },
		) {
			const name = connectorName(pipeline);
			const { restarts: counted, ...outcome } = await reconcileConnector(
				connectClient(pipeline.spec.kafka.connectUrl, {
					...PATIENCE,
					...access,
				}),
				pipeline,
				connectionUri,
				restarts.get(name),
				nowMs(),
				secret && {
					before,
					fresh,
					access: () => kafkaAccess(pipeline.spec.kafka, secret),
					signals,
				},
			);
			if (counted === undefined) restarts.delete(name);
			else restarts.set(name, counted);
			return outcome;
		},
		async remove(pipeline, connectionUri, access) {
			await removeConnector(
				connectClient(pipeline.spec.kafka.connectUrl, {
					...PATIENCE,
					...access,
				}),
				pipeline,
				connectionUri,
			);
			restarts.delete(connectorName(pipeline));
		},
	};
}

/** Connectors that are left alone once `allowed` says no: another process looks after them then. */
export function fenceConnectors(
	connectors: Connectors,
	allowed: () => boolean,
): Connectors {
	function check(): void {
		if (!allowed()) throw new Error("this process does not lead any more");
	}
	return {
		async reconcile(...args) {
			check();
			return connectors.reconcile(...args);
		},
		async remove(...args) {
			check();
			return connectors.remove(...args);
		},
	};
}
