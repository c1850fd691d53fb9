import { ConfigError, messageOf } from "../errors.ts";
import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import type { PipelineActionsStatus } from "../resource/cdc-pipeline-actions.ts";
import type { SaslConfig } from "../resource/kafka-sasl.ts";
import {
	type ActionsInput,
	resetsPosition,
	takeActions,
	usesSignals,
} from "./actions.ts";
import {
	type ConnectClient,
	ConnectError,
	type ConnectorConfig,
	type ConnectorStatus,
} from "./client.ts";
import {
	connectorConfig,
	connectorName,
	keepsSchemaHistory,
} from "./debezium.ts";
import { signalConfig } from "./signal-config.ts";

export interface ConnectorObservation {
	readonly name: string;
	readonly state: string;
	readonly tasks: readonly {
		readonly id: number;
		readonly state: string;
		readonly message?: string;
	}[];
}

export interface ConnectorOutcome {
	readonly ready: boolean;
	readonly reason: string;
	readonly message: string;
	/** Nothing but a change by a person can help. */
	readonly terminal: boolean;
	readonly connector?: ConnectorObservation;
	/** What became of the one-shot actions; absent where they could not be looked at. */
	readonly actions?: PipelineActionsStatus | undefined;
}

/** Restarts so far; kept by the caller between steps. */
export interface Restarts {
	readonly attempt: number;
	/** Milliseconds since the epoch. */
	readonly lastMs: number;
}

const STABLE_MS = 10 * 60_000;

/** Minutes before the next restart of a failed task: n² + n, at most 60 (Strimzi's curve). */
export function restartDelayMs(attempt: number): number {
	return Math.min(60, attempt * attempt + attempt) * 60_000;
}

export type Wanted =
	| { readonly kind: "put"; readonly config: ConnectorConfig }
	| { readonly kind: "pause" }
	| { readonly kind: "resume" }
	| { readonly kind: "stop" }
	| { readonly kind: "restart" }
	| { readonly kind: "nothing" };

/** What to do next, from what is seen. Pure. */
export function decide(
	seen: {
		readonly config: ConnectorConfig | undefined;
		readonly status: ConnectorStatus | undefined;
	},
	wanted: {
		readonly config: ConnectorConfig;
		readonly state: "running" | "paused" | "stopped";
	},
	restarts: Restarts | undefined,
	nowMs: number,
): Wanted {
	if (seen.config === undefined || differs(seen.config, wanted.config))
		return { kind: "put", config: wanted.config };
	const state = seen.status?.connector.state;
	if (state === undefined || state === "UNASSIGNED") return { kind: "nothing" };
	switch (wanted.state) {
		case "paused":
			return { kind: state === "PAUSED" ? "nothing" : "pause" };
		case "stopped":
			return { kind: state === "STOPPED" ? "nothing" : "stop" };
		case "running":
			if (state === "PAUSED" || state === "STOPPED") return { kind: "resume" };
			if (
				failedPart(seen.status) !== undefined &&
				!lost(failedPart(seen.status)?.trace ?? "") &&
				nowMs >=
					(restarts?.lastMs ?? 0) + restartDelayMs(restarts?.attempt ?? 0)
			)
				return { kind: "restart" };
			return { kind: "nothing" };
	}
}

function differs(a: ConnectorConfig, b: ConnectorConfig): boolean {
	const names = new Set([...Object.keys(a), ...Object.keys(b)]);
	return [...names].some((name) => a[name] !== b[name]);
}

/** One level-based step: observe, decide, act. Expected troubles are outcomes. */
export async function reconcileConnector(
	client: ConnectClient,
	pipeline: CdcPipeline,
	connectionUri: string,
	restarts: Restarts | undefined,
	nowMs: number,
	actions?: ActionsInput,
): Promise<ConnectorOutcome & { readonly restarts?: Restarts | undefined }> {
	const name = connectorName(pipeline);
	let hide = redactor(connectionUri);
	try {
		const access =
			actions !== undefined &&
			(usesSignals(pipeline, actions) ||
				keepsSchemaHistory(pipeline.spec.source.type))
				? actions.access()
				: undefined;
		hide = redactor(connectionUri, saslSecret(access?.sasl));
		const config = connectorConfig(
			pipeline,
			connectionUri,
			actions !== undefined &&
				access !== undefined &&
				usesSignals(pipeline, actions)
				? signalConfig(pipeline, access)
				: undefined,
			access,
		);
		const state =
			actions !== undefined && resetsPosition(pipeline, actions)
				? "stopped"
				: pipeline.spec.state;
		const seen = {
			config: await client.config(name),
			status: await client.status(name),
		};
		const action = decide(seen, { config, state }, restarts, nowMs);
		let counted = restarts;
		switch (action.kind) {
			case "put": {
				const validation = await client.validate(action.config);
				if (validation.kind === "invalid")
					return {
						ready: false,
						terminal: true,
						reason: "ConnectorRejected",
						message: hide(
							`Kafka Connect rejects the connector: ${validation.errors.map(({ field, message }) => `${named(field, pipeline)}: ${message}`).join("; ")}; correct spec.source, or the Secret that it names`,
						),
					};
				await client.put(name, action.config);
				break;
			}
			case "pause":
				await client.pause(name);
				break;
			case "resume":
				await client.resume(name);
				break;
			case "stop":
				await client.stop(name);
				break;
			case "restart":
				await client.restartFailed(name);
				counted = { attempt: (restarts?.attempt ?? 0) + 1, lastMs: nowMs };
				break;
			case "nothing":
				if (
					counted !== undefined &&
					failedPart(seen.status) === undefined &&
					nowMs - counted.lastMs > STABLE_MS
				)
					counted = undefined;
		}
		const status =
			action.kind === "nothing" ? seen.status : await client.status(name);
		const taken =
			actions && (await takeActions(client, pipeline, status, actions, nowMs));
		return {
			...judge(name, status, pipeline, hide, counted),
			restarts: counted,
			actions: taken,
		};
	} catch (error) {
		if (error instanceof ConfigError)
			return {
				ready: false,
				terminal: true,
				reason: "ConnectionInvalid",
				message: error.message,
			};
		if (error instanceof ConnectError)
			return {
				ready: false,
				terminal: !error.retryable,
				reason:
					error.code === "CONNECT_UNREACHABLE"
						? "ConnectUnreachable"
						: "ConnectFailed",
				message: hide(messageOf(error)),
				restarts,
			};
		throw error;
	}
}

/** By tasks: a connector says RUNNING while its task is FAILED. */
function judge(
	name: string,
	status: ConnectorStatus | undefined,
	{ metadata, spec: { state } }: CdcPipeline,
	hide: (text: string) => string,
	restarts: Restarts | undefined,
): ConnectorOutcome {
	const connector: ConnectorObservation = {
		name,
		state: status?.connector.state ?? "UNASSIGNED",
		tasks: (status?.tasks ?? []).map((task) => ({
			id: task.id,
			state: task.state,
			...(task.trace === undefined
				? {}
				: { message: hide(firstLine(task.trace)) }),
		})),
	};
	const outcome = (
		ready: boolean,
		reason: string,
		message: string,
	): ConnectorOutcome => ({
		ready,
		reason,
		message,
		terminal: false,
		connector,
	});
	const failed = failedPart(status);
	if (failed !== undefined) {
		const what = hide(
			`${name}: ${failed.what} failed: ${firstLine(failed.trace)}`,
		);
		return lost(failed.trace)
			? {
					...outcome(
						false,
						"HistoryLost",
						`${what}. The source no longer has the changes since the last position, and restarts can't help. Read everything again: kubectl cdc resnapshot ${metadata.name} --all -n ${metadata.namespace}, or a new nonce in spec.actions.resnapshot with mode full. Rows that were deleted at the source meanwhile stay in the tables`,
					),
					terminal: true,
				}
			: outcome(false, "TaskFailed", `${what}; ${retries(restarts)}`);
	}
	if (state !== "running") {
		const wanted = state === "paused" ? "PAUSED" : "STOPPED";
		return connector.state === wanted
			? outcome(
					true,
					state === "paused" ? "Paused" : "Stopped",
					`connector ${name} is ${state}`,
				)
			: outcome(false, "Changing", `connector ${name} is ${connector.state}`);
	}
	if (
		connector.state === "RUNNING" &&
		connector.tasks.length > 0 &&
		connector.tasks.every((task) => task.state === "RUNNING")
	)
		return outcome(true, "Running", `connector ${name} runs`);
	return outcome(
		false,
		"Starting",
		`connector ${name} is ${connector.state} with ${connector.tasks.length} tasks; if that lasts, see the log of Kafka Connect`,
	);
}

function failedPart(
	status: ConnectorStatus | undefined,
): { what: string; trace: string } | undefined {
	if (status?.connector.state === "FAILED")
		return { what: "the connector", trace: status.connector.trace ?? "" };
	const task = status?.tasks.find((one) => one.state === "FAILED");
	return task === undefined
		? undefined
		: { what: `task ${task.id}`, trace: task.trace ?? "" };
}

function retries(restarts: Restarts | undefined): string {
	if (restarts === undefined) return "it will be restarted";
	const next = new Date(restarts.lastMs + restartDelayMs(restarts.attempt));
	return `restarted ${restarts.attempt} times, next at ${next.toISOString().slice(0, 19)}Z; correct what the error names, then kubectl cdc restart`;
}

/** The last cause says more than the wrapper around it. */
function firstLine(trace: string): string {
	const causes = trace
		.split("\n")
		.filter((line) => line.startsWith("Caused by: "));
	return (causes.at(-1)?.slice(11) ?? trace.split("\n")[0] ?? "").slice(0, 500);
}

/**
 * Debezium's own check before it streams, and what MongoDB, PostgreSQL (a slot that was invalidated, or WAL
 * that is gone) and MySQL say where it comes up later.
 */
function lost(trace: string): boolean {
	return /no longer available on the server|resume point may no longer be in the oplog|ChangeStreamHistoryLost|requested WAL segment \S+ has already been removed|can no longer (?:get changes from|access) replication slot|Could not find first log file name in binary log index|purged required binary logs|Cannot replicate because the (?:master|source) purged/i.test(
		trace,
	);
}

/** Connect quotes values in its messages; none of them may carry the password on. */
function redactor(
	uri: string,
	...more: readonly (string | undefined)[]
): (text: string) => string {
	const secrets = [uri];
	for (const one of more)
		if (one !== undefined && one !== "") secrets.push(one);
	const password = /:\/\/[^:/@]*:([^@/]+)@/.exec(uri)?.[1];
	if (password !== undefined) secrets.push(password, safeDecode(password));
	return (text) =>
		secrets.reduce((out, secret) => out.replaceAll(secret, "***"), text);
}

function saslSecret(sasl: SaslConfig | undefined): string | undefined {
	return sasl?.mechanism === "oauthbearer" ? sasl.clientSecret : sasl?.password;
}

function safeDecode(text: string): string {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

/** A field with the value that a person gave it; values that Tributary set may be secrets. */
function named(field: string, pipeline: CdcPipeline): string {
	const value = pipeline.spec.source.config[field];
	return value === undefined || /password|secret|connection/i.test(field)
		? field
		: `${field}=${value}`;
}
