import { z } from "zod";
import { apply } from "../../kube/apply.ts";
import { type ApiClient, ApiError } from "../../kube/client.ts";
import type { Clock } from "../../kube/clock.ts";
import type { Reconcile, ReconcileResult } from "../../kube/controller.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { splitKey } from "../../kube/object.ts";
import { fileIngestion } from "../../resource/file-ingestion.ts";
import type { FileIngestionStatus } from "../../resource/file-ingestion-status.ts";
import { parseHeld } from "../../resource/held.ts";
import { ingestSecrets } from "../../resource/secrets.ts";
import { checkSecrets } from "../cdc-pipeline/secrets.ts";
import type { WriterImage } from "../cdc-pipeline/stateful-set.ts";
import { ingestName } from "../names.ts";
import { statusWriter } from "../status-writer.ts";
import type { Stores } from "../stores.ts";
import { TYPES } from "../types.ts";
import {
	decideIngestion,
	INGEST_CHILDREN,
	type IngestPlan,
	type ObservedIngestion,
} from "./decide.ts";
import { INGESTION_CONDITIONS, INGESTION_REASONS } from "./reasons.ts";
import {
	ingestionStatus,
	invalidIngestion,
	lastingIngestion,
	type Moment,
} from "./status.ts";
import { type AskWorker, workerFigures } from "./worker-report.ts";

export interface IngestionContext {
	readonly client: ApiClient;
	readonly clock: Clock;
	readonly stores: Stores;
	readonly events: EventRecorder;
	readonly askWorker: AskWorker;
	readonly image: WriterImage;
}

/** How often an ingestion is looked at although nothing was heard of it. */
const WORKING_MS = 10_000;
const WAITING_MS = 5_000;
/** Figures alone are not written more often than this. */
const FIGURES_MS = 8_000;
const CONFLICT_MS = 500;

const GOOD_NEWS = new Set<string>([
	INGESTION_REASONS.watching,
	INGESTION_REASONS.suspended,
	INGESTION_REASONS.workersStarting,
]);

/** Brings a `FileIngestion` nearer to what it says: observe, decide, act, then tell. */
export function ingestionReconcile(context: IngestionContext): Reconcile {
	const { client, clock, stores, events, image, askWorker } = context;
	const writer = statusWriter<FileIngestionStatus>({
		client,
		clock,
		events,
		type: TYPES.ingestion,
		condition: INGESTION_CONDITIONS.ready,
		isWarning: (reason) => !GOOD_NEWS.has(reason),
		lasting: lastingIngestion,
		figuresMs: FIGURES_MS,
	});

	async function reconcile(key: string): Promise<ReconcileResult> {
		const object = stores.get("ingestion", key);
		if (object === undefined) {
			writer.forget(key);
			return {};
		}
		// What was made for it goes with it; table and files stay.
		if (object.metadata.deletionTimestamp !== undefined) return {};
		const moment: Moment = {
			before: object.status,
			generation: object.metadata.generation ?? 0,
			at: clock.wall(),
		};
		const { metadata } = object;
		const parsed = parseHeld(fileIngestion, object);
		if (!parsed.success) {
			await writer.tell(
				key,
				object,
				invalidIngestion(z.prettifyError(parsed.error), moment),
			);
			return {};
		}
		const observed = await observe(key, metadata.uid ?? "", parsed.data);
		const plan = decideIngestion(observed, image);
		const failure = await act(plan);
		const status = ingestionStatus(observed, plan, { ...moment, failure });
		const heldBackMs = await writer.tell(key, object, status);
		if (failure !== undefined) throw failure;
		return {
			againAfterMs: Math.max(
				CONFLICT_MS,
				Math.min(
					heldBackMs ?? WORKING_MS,
					status.phase === "Running" || status.phase === "Suspended"
						? WORKING_MS
						: WAITING_MS,
				),
			),
		};
	}

	async function observe(
		key: string,
		uid: string,
		ingestion: ObservedIngestion["ingestion"],
	): Promise<ObservedIngestion> {
		const { namespace, name } = splitKey(key);
		const childKey = `${namespace}/${ingestName(name)}`;
		const pods = stores.pods("ingestion", key, "ingest");
		const asked = pods.flatMap(({ metadata, status }) =>
			status?.podIP === undefined ||
			status.phase !== "Running" ||
			metadata.deletionTimestamp !== undefined
				? []
				: [{ name: metadata.name, podIP: status.podIP }],
		);
		const [secrets, figures] = await Promise.all([
			checkSecrets(client, namespace, ingestSecrets(ingestion.spec)),
			workerFigures(asked, askWorker),
		]);
		return {
			ingestion,
			uid,
			children: Object.fromEntries(
				INGEST_CHILDREN.map((kind) => [kind, stores.get(kind, childKey)]),
			) as ObservedIngestion["children"],
			pods,
			secrets,
			figures,
		};
	}

	/** @returns what the API server refused, which is told in the status before it is tried again */
	async function act({ actions }: IngestPlan): Promise<ApiError | undefined> {
		try {
			for (const { kind, manifest } of actions)
				await apply(client, TYPES[kind], manifest);
			return undefined;
		} catch (error) {
			if (error instanceof ApiError && error.status !== 409) return error;
			throw error;
		}
	}

	return async (key) => {
		try {
			return await reconcile(key);
		} catch (error) {
			// Another wrote first, often we ourselves: the watch brings what it wrote.
			if (error instanceof ApiError && error.status === 409)
				return { againAfterMs: CONFLICT_MS };
			throw error;
		}
	};
}
