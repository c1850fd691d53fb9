import { messageOf, TributaryError } from "../errors.ts";
import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import type {
	PipelineActionsStatus,
	ResnapshotStatus,
} from "../resource/cdc-pipeline-actions.ts";
import type { KafkaAccess } from "../resource/kafka-access.ts";
import type { ConnectClient, ConnectorStatus } from "./client.ts";
import { connectorName } from "./debezium.ts";
import { progressOf } from "./notification.ts";
import type { Signals } from "./signal.ts";

/** What the one-shot actions of a pipeline need besides the connector. */
export interface ActionsInput {
	/** What the status said before. */
	readonly before: PipelineActionsStatus | undefined;
	/** Whether the pipeline was never looked at before: then its nonces count as done. */
	readonly fresh: boolean;
	/** @throws ConfigError for a Secret that can't be used */
	readonly access: () => KafkaAccess;
	readonly signals: Signals;
}

/** Whether signals have to be configured: from the first snapshot on, for good. */
export function usesSignals(
	{ spec }: CdcPipeline,
	{ before, fresh }: Pick<ActionsInput, "before" | "fresh">,
): boolean {
	const wanted = spec.actions?.resnapshot;
	const last = before?.resnapshot;
	return (
		(!fresh && wanted !== undefined && wanted.nonce !== last?.nonce) ||
		(last !== undefined && last.state !== "Ignored")
	);
}

/** Whether the connector's position has to be forgotten now, which takes a stopped one. */
export function resetsPosition(
	{ spec }: CdcPipeline,
	{ before, fresh }: Pick<ActionsInput, "before" | "fresh">,
): boolean {
	const wanted = spec.actions?.resnapshot;
	return (
		!fresh &&
		spec.state === "running" &&
		wanted?.mode === "full" &&
		isNew(wanted.nonce, before?.resnapshot)
	);
}

/**
 * Takes what is due of a pipeline's one-shot actions, and follows what is under way. What can't be done
 * now is told and stays due. An action may be taken twice where the status could not be written.
 *
 * @throws ConnectError
 */
export async function takeActions(
	client: ConnectClient,
	pipeline: CdcPipeline,
	status: ConnectorStatus | undefined,
	input: ActionsInput,
	nowMs: number,
): Promise<PipelineActionsStatus | undefined> {
	const restart = await takeRestart(client, pipeline, status, input, nowMs);
	let resnapshot: ResnapshotStatus | undefined;
	try {
		resnapshot = await takeResnapshot(client, pipeline, status, input, nowMs);
	} catch (error) {
		if (
			!(error instanceof TributaryError) ||
			error.code !== "KAFKA_UNREACHABLE"
		)
			throw error;
		const last = input.before?.resnapshot;
		const wanted = pipeline.spec.actions?.resnapshot;
		resnapshot =
			wanted !== undefined && isNew(wanted.nonce, last)
				? { ...request(wanted), state: "Requested", message: messageOf(error) }
				: last && { ...last, message: messageOf(error) };
	}
	return restart === undefined && resnapshot === undefined
		? undefined
		: { ...(restart && { restart }), ...(resnapshot && { resnapshot }) };
}

async function takeRestart(
	client: ConnectClient,
	pipeline: CdcPipeline,
	status: ConnectorStatus | undefined,
	{ before, fresh }: ActionsInput,
	nowMs: number,
): Promise<PipelineActionsStatus["restart"]> {
	const nonce = pipeline.spec.actions?.restart;
	if (nonce === undefined || nonce === before?.restart?.nonce)
		return before?.restart;
	if (!fresh) {
		if (status === undefined) return before?.restart;
		await client.restart(connectorName(pipeline));
	}
	return { nonce, at: new Date(nowMs).toISOString() };
}

async function takeResnapshot(
	client: ConnectClient,
	pipeline: CdcPipeline,
	status: ConnectorStatus | undefined,
	{ before, fresh, access, signals }: ActionsInput,
	nowMs: number,
): Promise<ResnapshotStatus | undefined> {
	const wanted = pipeline.spec.actions?.resnapshot;
	const last = before?.resnapshot;
	if (wanted === undefined || !isNew(wanted.nonce, last)) {
		if (!inFlight(last) || last.notificationsFrom === undefined) return last;
		return followed(
			last,
			progressOf(
				await signals.notifications(pipeline, access(), last.notificationsFrom),
				{ id: last.nonce, mode: last.mode ?? "" },
			),
			nowMs,
		);
	}
	const due = request(wanted);
	if (fresh)
		return {
			...due,
			state: "Ignored",
			message: "the nonce was there when the pipeline was made",
		};
	const unknown = wanted.tables.filter((table) => !captured(pipeline, table));
	if (unknown.length > 0)
		return {
			...due,
			state: "Failed",
			message: `${unknown.join(", ")}: not captured by spec.source.include (${pipeline.spec.source.include.join(", ")}); correct the name or include it, and give a new nonce`,
		};
	if (
		wanted.mode === "incremental" &&
		pipeline.spec.source.config["capture.scope"] === "collection"
	)
		return {
			...due,
			state: "Failed",
			message:
				"with capture.scope collection in spec.source.config the connector takes no incremental snapshots: leave it out, or use mode blocking",
		};
	const wait = (message: string): ResnapshotStatus => ({
		...due,
		state: "Requested",
		message,
	});
	if (pipeline.spec.state !== "running")
		return wait(
			`waits for the pipeline to run: spec.state is ${pipeline.spec.state}`,
		);
	const full = wanted.mode === "full";
	if (
		full &&
		(status?.connector.state !== "STOPPED" || status.tasks.length > 0)
	)
		return wait("the connector is being stopped to forget its position");
	if (!full && !running(status))
		return wait("waits for the connector and its tasks to run");
	const from = await signals.prepare(pipeline, access());
	if (wanted.mode === "full") {
		await client.deleteOffsets(connectorName(pipeline));
		await client.resume(connectorName(pipeline));
	} else
		await signals.send(pipeline, access(), {
			id: wanted.nonce,
			mode: wanted.mode,
			tables: wanted.tables,
		});
	return {
		...due,
		state: "Requested",
		requestedAt: new Date(nowMs).toISOString(),
		notificationsFrom: from,
	};
}

const SILENCE_MS = 120_000;
const SILENT =
	"the connector was told, but says nothing: see the log of Kafka Connect for Signal, and whether the connector's credentials may read the signal topic and write the notifications";

function followed(
	last: ResnapshotStatus,
	progress: ReturnType<typeof progressOf>,
	nowMs: number,
): ResnapshotStatus {
	const { message: _, ...rest } = last;
	switch (progress.kind) {
		case "waiting":
			return nowMs - Date.parse(last.requestedAt ?? "") > SILENCE_MS
				? { ...rest, message: SILENT }
				: rest;
		case "running":
			return {
				...rest,
				state: "Running",
				...(progress.rows !== undefined && { rows: progress.rows }),
			};
		case "completed":
			return {
				...rest,
				state: "Completed",
				...(progress.rows !== undefined && { rows: progress.rows }),
				finishedAt: new Date(nowMs).toISOString(),
			};
		case "failed":
			return {
				...rest,
				state: "Failed",
				message: progress.message,
				finishedAt: new Date(nowMs).toISOString(),
			};
	}
}

/** A nonce that was seen but could not be told to the connector is still new. */
function isNew(nonce: string, last: ResnapshotStatus | undefined): boolean {
	return (
		nonce !== last?.nonce ||
		(last.state === "Requested" && last.requestedAt === undefined)
	);
}

export function inFlight(
	last: ResnapshotStatus | undefined,
): last is ResnapshotStatus {
	return last?.state === "Requested" || last?.state === "Running";
}

function request(wanted: {
	nonce: string;
	mode: string;
	tables: readonly string[];
}): Pick<ResnapshotStatus, "nonce" | "mode" | "tables"> {
	return {
		nonce: wanted.nonce,
		mode: wanted.mode,
		...(wanted.tables.length > 0 && { tables: [...wanted.tables] }),
	};
}

function running(status: ConnectorStatus | undefined): boolean {
	return (
		status?.connector.state === "RUNNING" &&
		status.tasks.length > 0 &&
		status.tasks.every(({ state }) => state === "RUNNING")
	);
}

/** As Debezium reads `include`: regular expressions that match whole names, whatever their case. */
function captured({ spec }: CdcPipeline, table: string): boolean {
	return spec.source.include.some((pattern) => {
		try {
			return new RegExp(`^(?:${pattern})$`, "i").test(table);
		} catch {
			// A pattern of Java's that is none of ours: let the connector judge.
			return true;
		}
	});
}
