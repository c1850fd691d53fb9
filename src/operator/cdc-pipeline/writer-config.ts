import { createHash } from "node:crypto";
import { stringify } from "yaml";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import { writerSecrets } from "../../resource/secrets.ts";

/**
 * What a writer pod is given: the resource itself with every default, without what only the connector
 * needs. It holds names of secrets, never their values.
 */
export function writerConfig({
	spec: { actions: _, ...spec },
	...pipeline
}: CdcPipeline): CdcPipeline {
	return {
		apiVersion: pipeline.apiVersion,
		kind: pipeline.kind,
		metadata: {
			name: pipeline.metadata.name,
			namespace: pipeline.metadata.namespace,
		},
		// Connector properties may hold a password that a user put there.
		spec: { ...spec, source: { ...spec.source, config: {} } },
	};
}

export function writerConfigText(pipeline: CdcPipeline): string {
	return stringify(writerConfig(pipeline), { lineWidth: 0 });
}

/** `uid/resourceVersion` of each Secret that exists, by name. */
export type SecretVersions = ReadonlyMap<string, string>;

/**
 * Changes whenever a running writer has to be replaced: with a part of its configuration, or with a
 * Secret that it reads. Secrets go in by version, so the hash tells nothing about their values.
 */
export function configHash(
	pipeline: CdcPipeline,
	versions: SecretVersions,
): string {
	const { source, kafka, sink, writer } = writerConfig(pipeline).spec;
	const names = [
		...new Set(writerSecrets(pipeline.spec).map(({ name }) => name)),
	].sort();
	return createHash("sha256")
		.update(
			JSON.stringify({
				source: { type: source.type, include: source.include },
				kafka,
				sink,
				batch: writer.batch,
				secrets: names.map((name) => [name, versions.get(name) ?? ""]),
			}),
		)
		.digest("hex")
		.slice(0, 16);
}
