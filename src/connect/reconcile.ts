import { ConfigError, messageOf } from "../errors.ts";
import type { CdcPipeline } from "../resource/cdc-pipeline.ts";
import {
	type ConnectClient,
	ConnectError,
	type ConnectorConfig,
	type ConnectorStatus,
} from "./client.ts";
import { connectorConfig, connectorName } from "./debezium.ts";

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
): Promise<ConnectorOutcome & { readonly restarts?: Restarts | undefined }> {
	const name = connectorName(pipeline);
	const hide = redactor(connectionUri);
	try {
		const config = connectorConfig(pipeline, connectionUri);
		const seen = {
			config: await client.config(name),
			status: await client.status(name),
		};
		const action = decide(
			seen,
			{ config, state: pipeline.spec.state },
			restarts,
			nowMs,
		);
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
							`Kafka Connect rejects the connector: ${validation.errors.map(({ field, message }) => `${named(field, pipeline)}: ${message}`).join("; ")}`,
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
		return {
			...judge(name, status, pipeline.spec.state, hide),
			restarts: counted,
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
	state: "running" | "paused" | "stopped",
	hide: (text: string) => string,
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
	if (failed !== undefined)
		return outcome(
			false,
			"TaskFailed",
			hide(
				`${name}: ${failed.what} failed: ${firstLine(failed.trace)}${lost(failed.trace) ? "; the source no longer has the changes since the last position: take a new snapshot" : ""}`,
			),
		);
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
		`connector ${name} is ${connector.state} with ${connector.tasks.length} tasks`,
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

/** The last cause says more than the wrapper around it. */
function firstLine(trace: string): string {
	const causes = trace
		.split("\n")
		.filter((line) => line.startsWith("Caused by: "));
	return (causes.at(-1)?.slice(11) ?? trace.split("\n")[0] ?? "").slice(0, 500);
}

function lost(trace: string): boolean {
	return /no longer available on the server|resume point may no longer be in the oplog|ChangeStreamHistoryLost/i.test(
		trace,
	);
}

/** Connect quotes values in its messages; none of them may carry the password on. */
function redactor(uri: string): (text: string) => string {
	const secrets = [uri];
	const password = /:\/\/[^:/@]*:([^@/]+)@/.exec(uri)?.[1];
	if (password !== undefined) secrets.push(password, safeDecode(password));
	return (text) =>
		secrets.reduce((out, secret) => out.replaceAll(secret, "***"), text);
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
