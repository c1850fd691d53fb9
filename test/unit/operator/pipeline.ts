import { cdcPipeline } from "../../../src/resource/cdc-pipeline.ts";

/** A pipeline as a user writes it, with changes per section of its specification. */
export function pipelineYaml(
	changes: {
		name?: string;
		state?: string;
		source?: object;
		kafka?: object;
		sink?: object;
		writer?: object;
	} = {},
) {
	return {
		apiVersion: "tributary.dev/v1alpha1",
		kind: "CdcPipeline",
		metadata: { name: changes.name ?? "shop", namespace: "data" },
		spec: {
			...(changes.state !== undefined && { state: changes.state }),
			source: {
				type: "mongodb",
				connectionSecretRef: { name: "shop-mongo", key: "uri" },
				include: ["shop.orders"],
				...changes.source,
			},
			kafka: {
				bootstrapServers: ["kafka:9092"],
				connectUrl: "http://connect:8083",
				topicPrefix: "shop",
				...changes.kafka,
			},
			sink: {
				location: "s3://lake/shop",
				storageSecretRef: { name: "lake" },
				...changes.sink,
			},
			...(changes.writer && { writer: changes.writer }),
		},
	};
}

export function pipeline(changes: Parameters<typeof pipelineYaml>[0] = {}) {
	return cdcPipeline.parse(pipelineYaml(changes));
}
