import { runController } from "../../../../src/kube/controller.ts";
import { fenceWrites } from "../../../../src/kube/fence.ts";
import { LeaseElection } from "../../../../src/kube/lease.ts";
import { Reflector } from "../../../../src/kube/reflector.ts";
import { WorkQueue } from "../../../../src/kube/work-queue.ts";

/** The parts of the runtime that a simulation drives, so that it can be shown a broken one. */
export interface Runtime {
	readonly WorkQueue: typeof WorkQueue;
	readonly runController: typeof runController;
	readonly LeaseElection: typeof LeaseElection;
	readonly Reflector: typeof Reflector;
	readonly fenceWrites: typeof fenceWrites;
}

export const RUNTIME: Runtime = {
	WorkQueue,
	runController,
	LeaseElection,
	Reflector,
	fenceWrites,
};

/** Drives a part with everything that a seed brings about, and tells what must never have happened. */
export type Simulation = (runtime: Runtime, seed: number) => Promise<string[]>;
