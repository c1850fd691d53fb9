import type { Manifest } from "../../kube/apply.ts";
import type { OwnerReference } from "../../kube/object.ts";
import type { CdcPipeline } from "../../resource/cdc-pipeline.ts";
import {
	WRITER_CONFIG_FILE,
	WRITER_PORT,
	writerLabels,
	writerName,
	writerSelector,
} from "../names.ts";
import { writerConfigText } from "./writer-config.ts";

/** An object that goes with its pipeline: named after it, owned by it, deleted with it. */
export function writerMeta(
	{ metadata }: CdcPipeline,
	owner: OwnerReference,
): Manifest["metadata"] {
	return {
		name: writerName(metadata.name),
		namespace: metadata.namespace,
		labels: writerLabels(metadata.name),
		ownerReferences: [owner],
	};
}

/** Of what is made for an object of ours. */
export function ownerOf(
	object: {
		readonly apiVersion: string;
		readonly kind: string;
		readonly metadata: { readonly name: string };
	},
	uid: string,
): OwnerReference {
	return {
		apiVersion: object.apiVersion,
		kind: object.kind,
		name: object.metadata.name,
		uid,
		controller: true,
		blockOwnerDeletion: true,
	};
}

export function serviceAccount(
	pipeline: CdcPipeline,
	owner: OwnerReference,
): Manifest & { automountServiceAccountToken: boolean } {
	const annotations = pipeline.spec.writer.serviceAccountAnnotations;
	return {
		apiVersion: "v1",
		kind: "ServiceAccount",
		metadata: {
			...writerMeta(pipeline, owner),
			...(Object.keys(annotations).length > 0 && { annotations }),
		},
		automountServiceAccountToken: false,
	};
}

export function configMap(
	pipeline: CdcPipeline,
	owner: OwnerReference,
): Manifest & { data: Record<string, string> } {
	return {
		apiVersion: "v1",
		kind: "ConfigMap",
		metadata: writerMeta(pipeline, owner),
		data: { [WRITER_CONFIG_FILE]: writerConfigText(pipeline) },
	};
}

/** Headless: it gives each writer pod a name, and Prometheus its targets. */
export function service(
	pipeline: CdcPipeline,
	owner: OwnerReference,
): Manifest & { spec: object } {
	return {
		apiVersion: "v1",
		kind: "Service",
		metadata: writerMeta(pipeline, owner),
		spec: {
			clusterIP: "None",
			publishNotReadyAddresses: true,
			selector: writerSelector(pipeline.metadata.name),
			ports: [
				{
					name: "http",
					port: WRITER_PORT,
					targetPort: "http",
					protocol: "TCP",
				},
			],
		},
	};
}

/** One writer at a time may be moved: the others keep their partitions. */
export function podDisruptionBudget(
	pipeline: CdcPipeline,
	owner: OwnerReference,
): Manifest & { spec: object } {
	return {
		apiVersion: "policy/v1",
		kind: "PodDisruptionBudget",
		metadata: writerMeta(pipeline, owner),
		spec: {
			maxUnavailable: 1,
			selector: { matchLabels: writerSelector(pipeline.metadata.name) },
		},
	};
}
