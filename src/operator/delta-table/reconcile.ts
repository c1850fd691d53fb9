import { z } from "zod";
import { apply, remove } from "../../kube/apply.ts";
import { type ApiClient, ApiError } from "../../kube/client.ts";
import type { Clock } from "../../kube/clock.ts";
import type { Reconcile, ReconcileResult } from "../../kube/controller.ts";
import type { EventRecorder } from "../../kube/events.ts";
import { splitKey } from "../../kube/object.ts";
import { type DeltaTable, deltaTable } from "../../resource/delta-table.ts";
import type { DeltaTableStatus } from "../../resource/delta-table-status.ts";
import { parseHeld } from "../../resource/held.ts";
import { storageProblem } from "../cdc-pipeline/secrets.ts";
import type { WriterImage } from "../cdc-pipeline/stateful-set.ts";
import { OPERATIONS, type Operation, tableJobName } from "../names.ts";
import { hindrance } from "../pod-result.ts";
import { statusWriter } from "../status-writer.ts";
import type { Stores } from "../stores.ts";
import { type TableObject, TYPES } from "../types.ts";
import { decideTable, type TableAction, type TablePlan } from "./decide.ts";
import { type TablePods, tableFacts } from "./facts.ts";
import { type Misplaced, placeOf } from "./place.ts";
import { READY, TABLE_REASONS } from "./reasons.ts";
import {
	helplessStatus,
	lastingTableStatus,
	type Moment,
	tableStatus,
} from "./status.ts";

export interface TableContext {
	readonly client: ApiClient;
	readonly clock: Clock;
	readonly stores: Stores;
	readonly events: EventRecorder;
	readonly image: WriterImage;
}

/** A live table's figures alone are not written more often than this. */
const FIGURES_MS = 30_000;
/** How often a table is looked at although nothing was heard of it. */
const SETTLED_MS = 600_000;
/** A Secret is not watched: one that is missing is looked for. */
const MISSING_MS = 10_000;
const CONFLICT_MS = 500;

const WARNINGS = new Set<string>([
	TABLE_REASONS.refused,
	TABLE_REASONS.applyFailed,
	TABLE_REASONS.specInvalid,
	TABLE_REASONS.objectRefused,
]);

/** Brings a `DeltaTable` nearer to what it says, by Jobs: the operator itself never touches storage. */
export function tableReconcile({
	client,
	clock,
	stores,
	events,
	image,
}: TableContext): Reconcile {
	const writer = statusWriter<DeltaTableStatus>({
		client,
		clock,
		events,
		type: TYPES.table,
		condition: READY,
		isWarning: (reason) => WARNINGS.has(reason),
		lasting: lastingTableStatus,
		figuresMs: FIGURES_MS,
	});

	async function reconcile(key: string): Promise<ReconcileResult> {
		const object = stores.get("table", key);
		if (object === undefined) {
			writer.forget(key);
			return {};
		}
		// What was made for it goes with it; the table itself stays.
		if (object.metadata.deletionTimestamp !== undefined) return {};
		const moment: Moment = {
			before: object.status,
			generation: object.metadata.generation ?? 0,
			at: clock.wall(),
		};
		const helpless = async (why: Misplaced): Promise<ReconcileResult> => {
			await writer.tell(key, object, helplessStatus(why, moment));
			return {};
		};
		const { metadata } = object;
		const parsed = parseHeld(deltaTable, object);
		if (!parsed.success)
			return helpless({
				reason: TABLE_REASONS.specInvalid,
				message: z.prettifyError(parsed.error),
			});
		const table = parsed.data;
		const pipelineKey = pipelineOf(table);
		const pipeline =
			pipelineKey === undefined
				? undefined
				: stores.get("pipeline", pipelineKey);
		const place = placeOf(table, pipeline);
		if ("reason" in place) return helpless(place);

		const written = pipeline?.status?.tables?.find(
			({ name }) => name === table.spec.path,
		);
		const pods = podsOf(key, pipelineKey);
		const facts = tableFacts(pods, object.status, table.spec.path);
		const { namespace, name } = splitKey(key);
		const job = `${namespace}/${tableJobName(name, "apply")}`;
		const plan = decideTable(
			{
				table,
				uid: metadata.uid ?? "",
				place,
				facts,
				exists:
					written?.version !== undefined ||
					facts.seen !== undefined ||
					object.status?.observed !== undefined,
				cronJobs: Object.fromEntries(
					OPERATIONS.flatMap((operation) => {
						const found = stores.get(
							"cronJob",
							`${namespace}/${tableJobName(name, operation)}`,
						);
						return found === undefined ? [] : [[operation, found]];
					}),
				),
				config: stores.get("configMap", job),
				job: stores.get("job", job),
				nowMs: moment.at.getTime(),
			},
			image,
		);
		const { hindered, failure } = await act(object, place, plan);
		const stuck = hindrance(
			pods.apply.filter(({ status }) => status?.phase === "Pending"),
		);
		const heldBackMs = await writer.tell(
			key,
			object,
			tableStatus({
				...moment,
				...{ table, place, facts, plan, written },
				hindered:
					hindered ??
					(stuck === undefined
						? undefined
						: { reason: TABLE_REASONS.applying, message: stuck }),
			}),
		);
		if (failure !== undefined) throw failure;
		return {
			againAfterMs: Math.min(
				SETTLED_MS,
				heldBackMs ?? SETTLED_MS,
				hindered === undefined
					? Math.max(CONFLICT_MS, plan.dueInMs ?? SETTLED_MS)
					: MISSING_MS,
			),
		};
	}

	function podsOf(key: string, pipelineKey: string | undefined): TablePods {
		const perOperation = (
			pods: (operation: Operation) => ReturnType<Stores["pods"]>,
		) => ({ optimize: pods("optimize"), vacuum: pods("vacuum") });
		return {
			apply: stores.pods("table", key, "apply"),
			own: perOperation((operation) => stores.pods("table", key, operation)),
			shared: perOperation((operation) =>
				pipelineKey === undefined
					? []
					: stores.pods("pipeline", pipelineKey, operation),
			),
			operations: stores.pods("table", key, "operation"),
		};
	}

	async function act(
		object: TableObject,
		place: { storageSecret: string | undefined; secretField: string },
		{ actions }: TablePlan,
	): Promise<{
		readonly hindered?: Misplaced;
		readonly failure?: ApiError;
	}> {
		const starts = actions.some(
			(action) => action.do === "apply" && action.kind === "job",
		);
		const problem =
			starts && place.storageSecret !== undefined
				? await storageProblem(
						client,
						object.metadata.namespace ?? "",
						place.storageSecret,
						place.secretField,
					)
				: undefined;
		try {
			for (const action of actions)
				if (problem === undefined || action.kind !== "job") await one(action);
		} catch (error) {
			// What the API server refuses is told in the status before it is tried again.
			if (!(error instanceof ApiError) || error.status === 409) throw error;
			return {
				hindered: {
					reason: TABLE_REASONS.objectRefused,
					message: `the API server refused a part of the table's maintenance, which is tried again: ${error.message}; allow or correct what it names`,
				},
				failure: error,
			};
		}
		return problem === undefined ? {} : { hindered: problem };
	}

	async function one(action: TableAction): Promise<void> {
		switch (action.do) {
			case "apply":
				await apply(client, TYPES[action.kind], action.manifest);
				break;
			case "delete":
				await remove(client, TYPES[action.kind], action.object);
				break;
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

function pipelineOf({ metadata, spec }: DeltaTable): string | undefined {
	return spec.pipelineRef && `${metadata.namespace}/${spec.pipelineRef.name}`;
}
