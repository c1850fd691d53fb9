import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";

/** The connector as Kafka Connect reports it. */
export interface ConnectorObservation {
	readonly name: string;
	readonly state: string;
	readonly tasks: readonly {
		readonly id: number;
		readonly state: string;
		readonly message?: string;
	}[];
}

export interface ConnectorOutcome {
	readonly ready: boolean;
	readonly reason: string;
	readonly message: string;
	/** Nothing but a change by a person can help. */
	readonly terminal: boolean;
	readonly connector?: ConnectorObservation;
}

/** What the operator asks of Kafka Connect. */
export interface Connectors {
	/** Brings the connector nearer to the pipeline; expected troubles are outcomes. */
	reconcile(
		pipeline: CdcPipeline,
		connectionUri: string,
	): Promise<ConnectorOutcome>;
	/** Deletes the connector with its offsets; one that is gone is fine. @throws if Connect can't. */
	remove(pipeline: CdcPipeline): Promise<void>;
}
