import type { ConditionNow } from "../../kube/conditions.ts";
import { WRITER_CONTAINER } from "../names.ts";
import type { ContainerStatus, Pod } from "../types.ts";
import type { Observed, Plan } from "./decide.ts";
import { CONDITIONS, REASONS } from "./reasons.ts";

/** What the writers' pods say, as one condition. Pure. */
export function writerCondition(
	{ pipeline, pods, secrets, figures, children }: Observed,
	{ replicas }: Plan,
): ConditionNow {
	const { state } = pipeline.spec;
	const type = CONDITIONS.writer;
	const no = (reason: string, message: string): ConditionNow => ({
		type,
		status: "False",
		reason,
		message,
	});
	if (replicas === 0) {
		if (pods.length > 0)
			return no(
				REASONS.writersStopping,
				`${pods.length} writer pods are committing what they hold`,
			);
		return state === "running"
			? no(
					REASONS.stopped,
					"spec.writer.replicas is 0: set it to 1 or more to write",
				)
			: no(
					state === "paused" ? REASONS.paused : REASONS.stopped,
					`spec.state is ${state}`,
				);
	}
	const failed = pods.flatMap((pod) => podProblem(pod) ?? []);
	const [first] = failed;
	if (first !== undefined) return no(first.reason, first.message);
	const [error] = figures.errors;
	if (error !== undefined) return no(REASONS.writerFailed, error);
	if (children.statefulSet === undefined && secrets.problems.length > 0)
		return no(
			REASONS.waitingForSecrets,
			"writers start when every Secret is there",
		);
	const status = children.statefulSet?.status;
	const current =
		status?.observedGeneration === children.statefulSet?.metadata.generation &&
		status?.updatedReplicas === replicas &&
		status.updateRevision === status.currentRevision;
	const ready = pods.filter(isReady).length;
	if (ready < replicas)
		return no(
			REASONS.writersStarting,
			`${ready} of ${replicas} writers are ready; if that lasts, see kubectl cdc logs ${pipeline.metadata.name}`,
		);
	// Ready while the old ones are replaced: nothing is missing meanwhile.
	return {
		type,
		status: "True",
		reason: current ? REASONS.writersReady : REASONS.writersRolling,
		message: current
			? `${ready} of ${replicas} writers are ready`
			: "writers are being replaced one by one",
	};
}

export function isReady({ metadata, status }: Pod): boolean {
	return (
		metadata.deletionTimestamp === undefined &&
		(status?.conditions?.some(
			({ type, status }) => type === "Ready" && status === "True",
		) ??
			false)
	);
}

function podProblem(pod: Pod): { reason: string; message: string } | undefined {
	const { name } = pod.metadata;
	const unscheduled = pod.status?.conditions?.find(
		({ type, status, reason }) =>
			type === "PodScheduled" &&
			status === "False" &&
			reason === "Unschedulable",
	);
	if (unscheduled !== undefined)
		return {
			reason: REASONS.writerUnschedulable,
			message: `${name} has no node: ${unscheduled.message}; add room, or lower spec.writer.resources`,
		};
	const container = pod.status?.containerStatuses?.find(
		(status) => status.name === WRITER_CONTAINER,
	);
	if (container === undefined || container.ready) return undefined;
	const waiting = container.state?.waiting;
	switch (waiting?.reason) {
		case "ErrImagePull":
		case "ImagePullBackOff":
		case "InvalidImageName":
		case "ErrImageNeverPull":
			return {
				reason: REASONS.imageUnavailable,
				message: `${name}: ${waiting.message ?? waiting.reason}; check the image of the operator, which its writers share, and who may pull it`,
			};
		case "CreateContainerConfigError":
		case "CreateContainerError":
		case "RunContainerError":
			return {
				reason: REASONS.writerFailed,
				message: `${name}: ${waiting.message ?? waiting.reason}; see kubectl describe pod ${name}`,
			};
		default:
			return crashed(name, container);
	}
}

/** A writer that ended says why in its termination message. */
function crashed(
	name: string,
	{ state, lastState, restartCount = 0 }: ContainerStatus,
): { reason: string; message: string } | undefined {
	const end = state?.terminated ?? lastState?.terminated;
	// A pod that is told to stop ends with 0.
	if (end === undefined || end.exitCode === 0) return undefined;
	const why =
		end.message?.trim() ||
		(end.reason === "OOMKilled"
			? "it used more memory than spec.writer.resources.memory allows: raise it or lower spec.writer.batch"
			: `it exited with ${end.exitCode} (${end.reason ?? "no reason"}); see its last lines with kubectl cdc logs --previous`);
	return {
		reason: REASONS.writerFailed,
		message: `${name}, restarted ${restartCount} times: ${why.slice(0, 4_096)}`,
	};
}
