import { z } from "zod";
import { apply, remove } from "../../kube/apply.ts";
import { ApiError } from "../../kube/client.ts";
import type { Reconcile, ReconcileResult } from "../../kube/controller.ts";
import { splitKey } from "../../kube/object.ts";
import { deltaTable } from "../../resource/delta-table.ts";
import { parseHeld } from "../../resource/held.ts";
import {
	type TableOperation,
	tableOperation,
} from "../../resource/table-operation.ts";
import type { TableOperationStatus } from "../../resource/table-operation-status.ts";
import { ownerOf } from "../cdc-pipeline/manifests.ts";
import { storageProblem } from "../cdc-pipeline/secrets.ts";
import {
	type Misplaced,
	placeOf,
	type TablePlace,
} from "../delta-table/place.ts";
import type { TableContext } from "../delta-table/reconcile.ts";
import { operationJobName } from "../names.ts";
import { statusWriter } from "../status-writer.ts";
import { type OperationObject, TYPES } from "../types.ts";
import { operationJob } from "./manifests.ts";
import { COMPLETE, OPERATION_REASONS } from "./reasons.ts";
import { idleStatus, type OperationMoment, operationStatus } from "./status.ts";

/** How often an operation that waits is looked at. */
const WAITING_MS = 5_000;
/** A Job's end without a word of its pod is told after a while. */
const RUNNING_MS = 15_000;
/** A table that isn't there by then was meant otherwise: nothing may run weeks later by surprise. */
const TABLE_MISSING_MS = 60_000;
const CONFLICT_MS = 500;

const WARNINGS = new Set<string>([
	OPERATION_REASONS.failed,
	OPERATION_REASONS.tableMissing,
	OPERATION_REASONS.specInvalid,
	OPERATION_REASONS.objectRefused,
]);

/** Runs each `TableOperation` once, as a Job, and tells what came of it. */
export function operationReconcile({
	client,
	clock,
	stores,
	events,
	image,
}: TableContext): Reconcile {
	const writer = statusWriter<TableOperationStatus>({
		client,
		clock,
		events,
		type: TYPES.operation,
		condition: COMPLETE,
		isWarning: (reason) => WARNINGS.has(reason),
	});

	async function reconcile(key: string): Promise<ReconcileResult> {
		const object = stores.get("operation", key);
		if (object === undefined) {
			writer.forget(key);
			return {};
		}
		if (object.metadata.deletionTimestamp !== undefined) return {};
		const { phase } = object.status ?? {};
		if (phase === "Succeeded" || phase === "Failed") return cleanUp(object);
		const moment: OperationMoment = {
			before: object.status,
			generation: object.metadata.generation ?? 0,
			at: clock.wall(),
		};
		const tell = (status: TableOperationStatus) =>
			writer.tell(key, object, status);
		const { metadata } = object;
		const parsed = parseHeld(tableOperation, object);
		if (!parsed.success) {
			const message = z.prettifyError(parsed.error);
			const why = { reason: OPERATION_REASONS.specInvalid, message };
			await tell(idleStatus("Failed", why, moment));
			return {};
		}
		const operation = parsed.data;
		const { namespace, name } = splitKey(key);
		const job = stores.get("job", `${namespace}/${operationJobName(name)}`);
		if (job !== undefined) {
			const place = placeFor(operation);
			const status = operationStatus(
				job,
				stores.pods("operation", key, "operation"),
				{ ...moment, location: "location" in place ? place.location : "" },
			);
			await tell(status);
			return status.finished === undefined
				? { againAfterMs: RUNNING_MS }
				: { againAfterMs: ttlMs(operation.spec) ?? RUNNING_MS };
		}
		const place = placeFor(operation);
		const hindrance =
			"reason" in place ? place : await secretProblem(operation, place);
		if (hindrance === undefined && !("reason" in place))
			return start(object, operation, place, tell, moment);
		const { reason, message } = hindrance ?? { reason: "", message: "" };
		const age =
			moment.at.getTime() - Date.parse(metadata.creationTimestamp ?? "");
		const gone =
			reason === OPERATION_REASONS.tableMissing && age >= TABLE_MISSING_MS;
		await tell(
			idleStatus(
				gone ? "Failed" : "Pending",
				{
					reason,
					message: gone
						? `${message}. It is not looked for any more: make a new TableOperation`
						: message,
				},
				moment,
			),
		);
		return {
			againAfterMs: gone ? (ttlMs(operation.spec) ?? WAITING_MS) : WAITING_MS,
		};
	}

	async function start(
		object: OperationObject,
		operation: TableOperation,
		place: TablePlace,
		tell: (status: TableOperationStatus) => Promise<unknown>,
		moment: OperationMoment,
	): Promise<ReconcileResult> {
		const owner = ownerOf(operation, object.metadata.uid ?? "");
		try {
			await apply(
				client,
				TYPES.job,
				operationJob(operation, owner, place, image),
			);
		} catch (error) {
			if (!(error instanceof ApiError) || error.status === 409) throw error;
			const why = {
				reason: OPERATION_REASONS.objectRefused,
				message: `the API server refused the Job, which is tried again: ${error.message}; allow or correct what it names`,
			};
			await tell(idleStatus("Pending", why, moment));
			throw error;
		}
		// The Job comes back through the watch, and with it what there is to tell.
		return { againAfterMs: WAITING_MS };
	}

	/** Where the table of an operation is, or why that is not known. */
	function placeFor({
		metadata,
		spec,
	}: TableOperation): TablePlace | Misplaced {
		const { namespace } = metadata;
		const { name } = spec.tableRef;
		const object = stores.get("table", `${namespace}/${name}`);
		if (object === undefined)
			return {
				reason: OPERATION_REASONS.tableMissing,
				message: `DeltaTable ${name} (spec.tableRef) is not in namespace ${namespace}: kubectl get deltatables --namespace ${namespace} lists those that are`,
			};
		const table = parseHeld(deltaTable, object).data;
		const known = object.status?.version !== undefined;
		if (table === undefined || !known)
			return {
				reason: OPERATION_REASONS.tableNotReady,
				message: `DeltaTable ${name} has no table yet: see its condition Ready`,
			};
		const { pipelineRef } = table.spec;
		return placeOf(
			table,
			pipelineRef && stores.get("pipeline", `${namespace}/${pipelineRef.name}`),
		);
	}

	async function secretProblem(
		{ metadata }: TableOperation,
		{ storageSecret, secretField }: TablePlace,
	): Promise<Misplaced | undefined> {
		return storageSecret === undefined
			? undefined
			: storageProblem(client, metadata.namespace, storageSecret, secretField);
	}

	/** Deletes an operation that has ended long enough ago, and its Job with it. */
	async function cleanUp(object: OperationObject): Promise<ReconcileResult> {
		const ttl = ttlMs(object.spec as TableOperation["spec"]);
		const finished = Date.parse(object.status?.finished ?? "");
		if (ttl === undefined || Number.isNaN(finished)) return {};
		const leftMs = finished + ttl - clock.wall().getTime();
		if (leftMs > 0) return { againAfterMs: leftMs };
		await remove(client, TYPES.operation, object);
		events.forget(object);
		return {};
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

function ttlMs({
	ttlSecondsAfterFinished: ttl,
}: TableOperation["spec"]): number | undefined {
	return ttl === undefined ? undefined : ttl * 1000;
}
