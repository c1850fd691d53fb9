import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { inFlight } from "../../connect/actions.ts";
import { messageOf } from "../../errors.ts";
import { apply, applyStatus, remove, setFinalizers } from "../../kube/apply.ts";
import { ApiError } from "../../kube/client.ts";
import type { Reconcile, ReconcileResult } from "../../kube/controller.ts";
import { splitKey } from "../../kube/object.ts";
import { type CdcPipeline, cdcPipeline } from "../../resource/cdc-pipeline.ts";
import type { CdcPipelineStatus } from "../../resource/cdc-pipeline-status.ts";
import { parseHeld } from "../../resource/held.ts";
import {
	FINALIZER,
	maintenanceName,
	OPERATIONS,
	tableName,
	writerName,
} from "../names.ts";
import { CHILD_KINDS, type PipelineObject, TYPES } from "../types.ts";
import type { ConnectorOutcome } from "./connector.ts";
import type { PipelineContext } from "./context.ts";
import { type Action, decide, type Observed, type Plan } from "./decide.ts";
import { finalize } from "./finalize.ts";
import { CONDITIONS, REASONS } from "./reasons.ts";
import { readSecrets } from "./secrets.ts";
import { invalidStatus, pipelineStatus } from "./status.ts";
import { type WriterFigures, writerFigures } from "./writer-report.ts";

/** How often a pipeline is looked at although nothing was heard of it. */
const WORKING_MS = 10_000;
/** Of many pipelines each is looked at less often: so many milliseconds apart, so that all take their turn. */
const APART_MS = 50;
const WAITING_MS = 5_000;
/** Of that time, how much goes by between two statuses that differ in figures alone. */
const FIGURES = 0.8;
const CONFLICT_MS = 500;

/** Brings a `CdcPipeline` nearer to what it says: observe, decide, act, then tell. */
export function pipelineReconcile(context: PipelineContext): Reconcile {
	const { client, clock, stores, events } = context;
	const written = new Map<string, number>();
	const workingMs = (): number =>
		Math.max(WORKING_MS, stores.count("pipeline") * APART_MS);

	async function reconcile(key: string): Promise<ReconcileResult> {
		const object = stores.get("pipeline", key);
		if (object === undefined) {
			written.delete(key);
			return {};
		}
		if (object.metadata.deletionTimestamp !== undefined)
			return finalize(context, key, object, (status) =>
				tell(key, object, status),
			);
		if (!object.metadata.finalizers?.includes(FINALIZER)) {
			await setFinalizers(client, TYPES.pipeline, object, [
				...(object.metadata.finalizers ?? []),
				FINALIZER,
			]);
			// The change comes back through the watch, with the version to go on with.
			return {};
		}
		const parsed = parseHeld(cdcPipeline, object);
		if (!parsed.success) {
			await tell(
				key,
				object,
				invalidStatus(z.prettifyError(parsed.error), moment(object)),
			);
			return {};
		}
		const observed = await observe(key, object, parsed.data);
		const plan = decide(observed, context.image);
		const { outcome, failure, surprise } = await act(parsed.data, plan);
		const status = pipelineStatus({
			observed,
			plan,
			outcome,
			failure,
			...moment(object),
		});
		await tell(key, object, status);
		if (failure !== undefined) throw failure;
		if (surprise !== undefined) throw surprise;
		const settled =
			(status.phase === "Running" || status.phase === "Stopped") &&
			!inFlight(status.actions?.resnapshot);
		return { againAfterMs: settled ? workingMs() : WAITING_MS };
	}

	async function observe(
		key: string,
		object: PipelineObject,
		pipeline: CdcPipeline,
	): Promise<Observed> {
		const { namespace, name } = splitKey(key);
		const childKey = `${namespace}/${writerName(name)}`;
		const children = Object.fromEntries(
			CHILD_KINDS.map((kind) => [kind, stores.get(kind, childKey)]),
		) as Observed["children"];
		const pods = stores.pods("pipeline", key, "writer");
		const asked = pods.flatMap(({ metadata, status }) =>
			status?.podIP === undefined ||
			status.phase !== "Running" ||
			metadata.deletionTimestamp !== undefined
				? []
				: [{ name: metadata.name, podIP: status.podIP }],
		);
		const [secrets, figures] = await Promise.all([
			readSecrets(client, pipeline),
			writerFigures(asked, context.askWriter),
		]);
		return {
			pipeline,
			uid: object.metadata.uid ?? "",
			before: object.status,
			children,
			cronJobs: Object.fromEntries(
				OPERATIONS.flatMap((operation) => {
					const job = stores.get(
						"cronJob",
						`${namespace}/${maintenanceName(name, operation)}`,
					);
					return job === undefined ? [] : [[operation, job]];
				}),
			),
			tables: tablesOf(key, object, figures),
			pods,
			maintenancePods: {
				optimize: stores.pods("pipeline", key, "optimize"),
				vacuum: stores.pods("pipeline", key, "vacuum"),
			},
			secrets,
			figures,
		};
	}

	function tablesOf(
		key: string,
		object: PipelineObject,
		figures: WriterFigures,
	): Observed["tables"] {
		const { namespace, name } = splitKey(key);
		const found = stores.children("table", "pipeline", key);
		const tables = new Map(found.map((table) => [table.metadata.name, table]));
		for (const told of [...(object.status?.tables ?? []), ...figures.tables]) {
			const wanted = tableName(name, told.name);
			const table = stores.get("table", `${namespace}/${wanted}`);
			if (table !== undefined) tables.set(wanted, table);
		}
		return tables;
	}

	async function act(
		pipeline: CdcPipeline,
		{ actions }: Plan,
	): Promise<{
		outcome: ConnectorOutcome | undefined;
		failure: ApiError | undefined;
		surprise: unknown;
	}> {
		let outcome: ConnectorOutcome | undefined;
		let surprise: unknown;
		async function connect(
			action: Extract<Action, { do: "connector" }>,
		): Promise<void> {
			try {
				outcome = await context.connectors.reconcile(
					pipeline,
					action.connectionUri,
					action.given,
				);
			} catch (error) {
				// Whatever Connect does to us, the writers go on and the status says so.
				surprise = error;
				outcome = {
					ready: false,
					reason: REASONS.connectorUnknown,
					message: `the connector could not be looked at: ${messageOf(error)}`,
					terminal: false,
				};
			}
		}
		async function take(action: Action): Promise<void> {
			switch (action.do) {
				case "connector":
					return;
				case "apply":
					await apply(client, TYPES[action.kind], action.manifest);
					return;
				case "delete":
					return remove(client, TYPES[action.kind], action.object);
				default:
					action satisfies never;
			}
		}
		// Writers come after what they mount and are named by; nothing waits for Kafka Connect.
		const connecting = Promise.all(
			actions.flatMap((action) =>
				action.do === "connector" ? [connect(action)] : [],
			),
		);
		const failures: unknown[] = [];
		for (const stage of [true, false]) {
			if (failures.length > 0) break;
			const results = await Promise.allSettled(
				actions.filter((action) => isFirst(action) === stage).map(take),
			);
			for (const result of results)
				if (result.status === "rejected") failures.push(result.reason);
		}
		await connecting;
		const failure = failures.find((error) => !(error instanceof ApiError));
		if (failure !== undefined) throw failure;
		// What the API server refuses is told in the status before it is tried again.
		return { outcome, failure: failures[0] as ApiError | undefined, surprise };
	}

	function moment(object: PipelineObject) {
		return {
			before: object.status,
			generation: object.metadata.generation ?? 0,
			at: clock.wall(),
		};
	}

	/** Writes the status if it says anything new, and an event if readiness turned. */
	async function tell(
		key: string,
		object: PipelineObject,
		status: CdcPipelineStatus,
	): Promise<void> {
		const before = object.status;
		const news = !isDeepStrictEqual(lasting(before), lasting(status));
		const stale =
			clock.monotonic() - (written.get(key) ?? Number.NEGATIVE_INFINITY) >=
			FIGURES * workingMs();
		if (!news && (!stale || isDeepStrictEqual(before, status))) return;
		await applyStatus(client, TYPES.pipeline, object, status);
		written.set(key, clock.monotonic());
		await tellActions(object, status);
		const ready = readyOf(status);
		if (ready === undefined) return;
		const was = readyOf(before);
		if (was?.status === ready.status && was.reason === ready.reason) return;
		await events.record(object, {
			type:
				ready.status === "True" || IN_PASSING.has(ready.reason)
					? "Normal"
					: "Warning",
			reason: ready.reason,
			action: "Reconcile",
			note: ready.message,
		});
	}

	async function tellActions(
		object: PipelineObject,
		{ actions }: CdcPipelineStatus,
	): Promise<void> {
		const before = object.status?.actions;
		const { restart, resnapshot } = actions ?? {};
		if (restart !== undefined && restart.nonce !== before?.restart?.nonce)
			await events.record(object, {
				type: "Normal",
				reason: REASONS.restarted,
				action: "Restart",
				note: `the connector and the writers are restarted (${restart.nonce})`,
			});
		if (
			resnapshot !== undefined &&
			(resnapshot.nonce !== before?.resnapshot?.nonce ||
				resnapshot.state !== before.resnapshot.state)
		)
			await events.record(object, {
				type: resnapshot.state === "Failed" ? "Warning" : "Normal",
				reason: `Resnapshot${resnapshot.state}`,
				action: "Resnapshot",
				note: `${resnapshot.mode ?? ""} snapshot of ${resnapshot.tables?.join(", ") ?? "everything"} (${resnapshot.nonce})${resnapshot.message === undefined ? "" : `: ${resnapshot.message}`}`,
			});
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

/** What every pipeline goes through, and is no trouble. */
const IN_PASSING = new Set<string>([
	REASONS.paused,
	REASONS.stopped,
	REASONS.deleting,
	REASONS.waitingForSecrets,
	REASONS.writersStarting,
	REASONS.writersRolling,
	REASONS.writersStopping,
	// Of a connector.
	"Starting",
	"Changing",
]);

/** What the pods of the writers can't do without. */
function isFirst(action: Action): boolean {
	return (
		action.do === "apply" &&
		action.kind !== "statefulSet" &&
		CHILD_KINDS.some((kind) => kind === action.kind)
	);
}

function readyOf(status: CdcPipelineStatus | undefined) {
	return status?.conditions?.find(({ type }) => type === CONDITIONS.ready);
}

/** The status without the figures that change all the time. */
function lasting(status: CdcPipelineStatus | undefined): object {
	const {
		lag: _lag,
		freshness: _freshness,
		freshnessSeconds: _seconds,
		rowsPerSecond: _rows,
		tables: _tables,
		...rest
	} = status ?? {};
	return rest;
}
