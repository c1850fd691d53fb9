import { type Manifest, needsApply } from "../../kube/apply.ts";
import type { KubeObject } from "../../kube/object.ts";
import type { FileIngestion } from "../../resource/file-ingestion.ts";
import type { SecretProblem } from "../cdc-pipeline/secrets.ts";
import type { WriterImage } from "../cdc-pipeline/stateful-set.ts";
import type { SecretVersions } from "../cdc-pipeline/writer-config.ts";
import type { Pod, StatefulSet } from "../types.ts";
import {
	ingestConfigMap,
	ingestHash,
	ingestionOwner,
	ingestService,
	ingestServiceAccount,
	ingestStatefulSet,
} from "./manifests.ts";
import type { WorkerFigures } from "./worker-report.ts";

/** Kinds that the operator writes for an ingestion, in the order of writing. */
export const INGEST_CHILDREN = [
	"serviceAccount",
	"configMap",
	"service",
	"statefulSet",
] as const;
export type IngestChild = (typeof INGEST_CHILDREN)[number];

/** All that is known of one ingestion at one moment. */
export interface ObservedIngestion {
	readonly ingestion: FileIngestion;
	readonly uid: string;
	readonly children: Readonly<Partial<Record<IngestChild, KubeObject>>> & {
		readonly statefulSet?: StatefulSet | undefined;
	};
	readonly pods: readonly Pod[];
	readonly secrets: {
		readonly problems: readonly Omit<SecretProblem, "source">[];
		readonly versions: SecretVersions;
	};
	readonly figures: WorkerFigures;
}

export interface IngestPlan {
	readonly actions: readonly {
		readonly kind: IngestChild;
		readonly manifest: Manifest;
	}[];
	readonly configHash: string;
	/** Workers wanted now. */
	readonly replicas: number;
}

/** What to do about an ingestion. Pure. */
export function decideIngestion(
	{ ingestion, uid, children, secrets }: ObservedIngestion,
	image: WriterImage,
): IngestPlan {
	const { suspend, worker } = ingestion.spec;
	const owner = ingestionOwner(ingestion, uid);
	const configHash = ingestHash(ingestion, secrets.versions);
	const replicas = suspend ? 0 : worker.replicas;
	const wanted: Readonly<Record<IngestChild, Manifest>> = {
		serviceAccount: ingestServiceAccount(ingestion, owner),
		configMap: ingestConfigMap(ingestion, owner),
		service: ingestService(ingestion, owner),
		statefulSet: ingestStatefulSet(ingestion, owner, image, {
			replicas,
			hash: configHash,
		}),
	};
	// Workers at work go on with what they have until what they would need next is there.
	const blocked = !suspend && secrets.problems.length > 0;
	return {
		actions: blocked
			? []
			: INGEST_CHILDREN.flatMap((kind) => {
					const child = children[kind];
					const manifest = wanted[kind];
					return child?.metadata.deletionTimestamp === undefined &&
						needsApply(child, manifest)
						? [{ kind, manifest }]
						: [];
				}),
		configHash,
		replicas,
	};
}
