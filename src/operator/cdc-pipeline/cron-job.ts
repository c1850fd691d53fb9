import type { Manifest } from "../../kube/apply.ts";
import type { OwnerReference } from "../../kube/object.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import { writerSecrets } from "../../resource/secrets.ts";
import { cronJobOf } from "../job.ts";
import {
	maintenanceLabels,
	maintenanceName,
	type Operation,
	WRITER_CONFIG_DIR,
	WRITER_CONFIG_FILE,
	writerName,
} from "../names.ts";
import { secretVariable } from "./pod-security.ts";
import type { WriterImage } from "./stateful-set.ts";

/**
 * Runs `tributary maintain` on the tables of a pipeline, with the image and the storage credentials of
 * its writers. A commit stands for itself, so that a run that is evicted loses what it was at, and a
 * table that failed is told of; both are left to the next run.
 */
export function cronJob(
	pipeline: CdcPipeline,
	owner: OwnerReference,
	image: WriterImage,
	operation: Operation,
	/** Folders of tables with a CronJob of their own. */
	exclude: readonly string[] = [],
): Manifest & { spec: object } {
	const { metadata, spec } = pipeline;
	const { schedule, suspend } = spec.maintenance[operation];
	return cronJobOf(
		{
			namespace: metadata.namespace,
			name: maintenanceName(metadata.name, operation),
			labels: maintenanceLabels(metadata.name, operation),
			owner,
			serviceAccountName: writerName(metadata.name),
			args: [
				"maintain",
				operation,
				"--config",
				`${WRITER_CONFIG_DIR}/${WRITER_CONFIG_FILE}`,
				...[...exclude].sort().map((table) => `--exclude=${table}`),
				"--json",
			],
			variables: writerSecrets(spec)
				.filter(({ name }) => name === spec.sink.storageSecretRef?.name)
				.map(secretVariable),
			resources: spec.writer.resources,
			scheduling: spec.writer.scheduling,
			config: writerName(metadata.name),
		},
		image,
		{ schedule, suspend: suspend || spec.state === "stopped" },
	);
}
