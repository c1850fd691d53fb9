import { apply } from "../kube/apply.ts";
import { Canary, type CanaryTimes } from "../kube/canary.ts";
import type { ApiClient } from "../kube/client.ts";
import type { Clock } from "../kube/clock.ts";
import type { Reconcile } from "../kube/controller.ts";
import { CANARY, CANARY_OWNER, LABELS, MANAGED_BY } from "./names.ts";
import { OWNER_KINDS, OWNERS, type OwnerKind, type Stores } from "./stores.ts";
import { type ConfigMap, TYPES } from "./types.ts";

export interface OperatorCanary {
	/** Beats until the signal is aborted. */
	run(signal: AbortSignal): Promise<void>;
	/** The same reconcile, which also notices the canary. */
	followedBy(kind: OwnerKind, reconcile: Reconcile): Reconcile;
	/** Milliseconds since a change of the canary that a controller has not noticed; 0 for none. */
	ages(): ReadonlyMap<OwnerKind, number>;
	/** Controllers that can't be at work any more. */
	late(): OwnerKind[];
}

/**
 * A ConfigMap that names every controller as if it was a child of each: a change of it goes the whole way
 * of a change, from the API server over the watch and the queue to a worker.
 */
export function operatorCanary(options: {
	client: ApiClient;
	clock: Clock;
	stores: Stores;
	/** One that is watched. */
	namespace: string;
	identity: string;
	times?: CanaryTimes | undefined;
	onError: (error: unknown) => void;
}): OperatorCanary {
	const { client, clock, stores, namespace, identity, onError } = options;
	const owner = `${namespace}/${CANARY_OWNER}`;
	const canary = new Canary({
		clock,
		followers: OWNER_KINDS,
		...(options.times && { times: options.times }),
		onError,
		async write(beat, signal) {
			await apply(
				client,
				TYPES.configMap,
				{
					apiVersion: "v1",
					kind: "ConfigMap",
					metadata: {
						name: CANARY,
						namespace,
						labels: {
							[LABELS.name]: CANARY,
							[LABELS.managedBy]: MANAGED_BY,
							...Object.fromEntries(
								OWNER_KINDS.map((kind) => [OWNERS[kind], CANARY_OWNER]),
							),
						},
					},
					data: { leader: identity, beat: String(beat) },
				} as ConfigMap & { metadata: { name: string; namespace: string } },
				{ signal },
			);
		},
	});

	function notice(kind: OwnerKind): void {
		const { data } = stores.get("configMap", `${namespace}/${CANARY}`) ?? {};
		if (data?.leader === identity) canary.notice(kind, Number(data.beat));
	}

	return {
		run: (signal) => canary.run(signal),
		followedBy: (kind, reconcile) => async (key, signal) => {
			if (key !== owner) return reconcile(key, signal);
			notice(kind);
			return {};
		},
		ages: () => canary.ages() as ReadonlyMap<OwnerKind, number>,
		late: () => canary.late() as OwnerKind[],
	};
}
