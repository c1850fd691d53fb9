import { isDeepStrictEqual } from "node:util";
import { applyStatus } from "../kube/apply.ts";
import type { ApiClient } from "../kube/client.ts";
import type { Clock } from "../kube/clock.ts";
import type { Condition } from "../kube/conditions.ts";
import type { EventRecorder } from "../kube/events.ts";
import type { KubeObject, ResourceType } from "../kube/object.ts";

interface Told {
	readonly conditions?:
		| readonly Pick<Condition, "type" | "status" | "reason" | "message">[]
		| undefined;
}

/** Writes statuses where they say anything new, and an event where a condition turned. */
export interface StatusWriter<Status extends Told> {
	/** @returns milliseconds until figures that were held back may be written */
	tell(
		key: string,
		object: KubeObject & { readonly status?: Status },
		status: Status,
	): Promise<number | undefined>;
	/** Forgets an object that is gone. */
	forget(key: string): void;
}

export function statusWriter<Status extends Told>(options: {
	client: ApiClient;
	clock: Clock;
	events: EventRecorder;
	type: ResourceType;
	/** The condition whose turns are events. */
	condition: string;
	/** Whether a reason is bad news. */
	isWarning: (reason: string) => boolean;
	/** The status without figures that change all the time. */
	lasting?: (status: Status | undefined) => unknown;
	/** Figures alone are not written more often than this. */
	figuresMs?: number;
}): StatusWriter<Status> {
	const { client, clock, events, type, condition, isWarning } = options;
	const { lasting = (status) => status, figuresMs = 0 } = options;
	const written = new Map<string, number>();
	const turn = (status: Status | undefined) =>
		status?.conditions?.find(({ type }) => type === condition);

	return {
		async tell(key, object, status) {
			const before = object.status;
			if (isDeepStrictEqual(before, status)) return undefined;
			const age =
				clock.monotonic() - (written.get(key) ?? Number.NEGATIVE_INFINITY);
			if (
				age < figuresMs &&
				isDeepStrictEqual(lasting(before), lasting(status))
			)
				return figuresMs - age;
			await applyStatus(client, type, object, status);
			written.set(key, clock.monotonic());
			const now = turn(status);
			const then = turn(before);
			if (
				now !== undefined &&
				(now.status !== then?.status || now.reason !== then.reason)
			)
				await events.record(object, {
					type: isWarning(now.reason) ? "Warning" : "Normal",
					reason: now.reason,
					action: "Reconcile",
					note: now.message,
				});
			return undefined;
		},
		forget: (key) => void written.delete(key),
	};
}
