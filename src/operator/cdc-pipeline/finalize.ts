import { messageOf } from "../../errors.ts";
import { remove, setFinalizers } from "../../kube/apply.ts";
import type { ReconcileResult } from "../../kube/controller.ts";
import { splitKey } from "../../kube/object.ts";
import { cdcPipeline } from "../../resource/cdc-pipeline.ts";
import type { CdcPipelineStatus } from "../../resource/cdc-pipeline-status.ts";
import { parseHeld } from "../../resource/held.ts";
import { ANNOTATIONS, FINALIZER, writerName } from "../names.ts";
import { type PipelineObject, TYPES } from "../types.ts";
import type { PipelineContext } from "./context.ts";
import { accessOf } from "./decide.ts";
import { REASONS } from "./reasons.ts";
import { readSecrets } from "./secrets.ts";
import { deletingStatus } from "./status.ts";

/** Writers commit what they hold before they end; their pods' going wakes us anyway. */
const LOOK_AGAIN_MS = 5_000;
const RETRY_CONNECT_MS = 15_000;

/**
 * Takes a pipeline down: first the writers, then the connector, then the finalizer. Tables and topics
 * stay. What is out of reach holds this up until the annotation says to leave the connector behind.
 */
export async function finalize(
	{ client, clock, stores, connectors, events }: PipelineContext,
	key: string,
	object: PipelineObject,
	tell: (status: CdcPipelineStatus) => Promise<void>,
): Promise<ReconcileResult> {
	const finalizers = object.metadata.finalizers ?? [];
	if (!finalizers.includes(FINALIZER)) return {};
	const { namespace, name } = splitKey(key);
	const say = (reason: string, message: string): Promise<void> =>
		tell(
			deletingStatus(
				{ reason, message },
				{
					before: object.status,
					generation: object.metadata.generation ?? 0,
					at: clock.wall(),
				},
			),
		);

	const writers = stores.get("statefulSet", `${namespace}/${writerName(name)}`);
	if (writers !== undefined && writers.metadata.deletionTimestamp === undefined)
		await remove(client, TYPES.statefulSet, writers);
	const pods = stores.pods("pipeline", key, "writer");
	if (writers !== undefined || pods.length > 0) {
		await say(
			REASONS.deleting,
			`waiting for ${pods.length} writer pods to commit what they hold; tables are kept`,
		);
		return { againAfterMs: LOOK_AGAIN_MS };
	}

	const parsed = parseHeld(cdcPipeline, object);
	const skip =
		object.metadata.annotations?.[ANNOTATIONS.skipConnectorCleanup] === "true";
	let missing: readonly string[] = [];
	try {
		// A specification that never was valid never made a connector.
		if (!skip && parsed.success) {
			const secrets = await readSecrets(client, parsed.data);
			missing = secrets.problems.flatMap(({ source, message }) =>
				source ? [message] : [],
			);
			await connectors.remove(
				parsed.data,
				secrets.connectionUri,
				accessOf({ pipeline: parsed.data, secrets }),
			);
		}
	} catch (error) {
		await say(
			REASONS.connectorCleanupFailed,
			`the connector could not be deleted: ${[messageOf(error), ...missing].join("; ")}. To leave it behind, and what it made in the source: kubectl annotate cdcpipeline ${name} --namespace ${namespace} ${ANNOTATIONS.skipConnectorCleanup}=true`,
		);
		return { againAfterMs: RETRY_CONNECT_MS };
	}
	await setFinalizers(
		client,
		TYPES.pipeline,
		object,
		finalizers.filter((finalizer) => finalizer !== FINALIZER),
	);
	events.forget(object);
	return {};
}
