import type {
	LeaseElection,
	LeaseRecord,
	LeaseSpec,
	LeaseStore,
} from "../../../../src/kube/lease.ts";
import { seeded, VirtualClock } from "../virtual-clock.ts";
import { ProcessClock } from "./process-clock.ts";
import type { Simulation } from "./runtime.ts";

type Mood = () => {
	delayMs: number;
	fails: "no" | "before" | "after" | "hangs";
};

/** A lease in memory that answers late, never, or not at all, as told. */
export function memoryLease(world: VirtualClock, mood: Mood) {
	let current: LeaseRecord | undefined;
	let version = 0;
	let requests = 0;

	/** The lease as one process reaches it. */
	function storeFor(process: ProcessClock): LeaseStore {
		function act<T>(signal: AbortSignal, run: () => T): Promise<T> {
			const { delayMs, fails } = mood();
			requests++;
			const { promise, resolve, reject } = Promise.withResolvers<T>();
			const end = (call: () => void): void => process.deliver(call);
			signal.addEventListener("abort", () => reject(signal.reason), {
				once: true,
			});
			// The request is on its way even when the caller gives up: it may still arrive.
			world.after(delayMs / 2, () => {
				if (fails === "before") return end(() => reject(new Error("refused")));
				const result = run();
				if (fails === "hangs") return;
				if (fails === "after") return end(() => reject(new Error("lost")));
				world.after(delayMs / 2, () => end(() => resolve(result)));
			});
			return promise;
		}
		return {
			get: (signal) => act(signal, () => current),
			create: (spec, signal) =>
				act(signal, () => {
					if (current !== undefined) return undefined;
					current = { version: String(++version), spec };
					return current;
				}),
			update: (record, signal) =>
				act(signal, () => {
					if (current?.version !== record.version) return undefined;
					current = { version: String(++version), spec: record.spec };
					return current;
				}),
		};
	}

	return {
		storeFor,
		get spec(): LeaseSpec | undefined {
			return current?.spec;
		},
		get requests(): number {
			return requests;
		},
	};
}

interface Candidate {
	readonly clock: ProcessClock;
	readonly election: LeaseElection;
	readonly stop: AbortController;
	readonly done: Promise<void>;
	term: AbortSignal | undefined;
	/** Milliseconds that it went on with a term, without leading any more. */
	deadTermMs: number;
}

/**
 * Three processes and one lease, through lost and late requests, stopped processes, suspended machines,
 * clocks that run apart and wall clocks that are set. At the end all is well, and one must lead.
 */
export const simulateElection: Simulation = async ({ LeaseElection }, seed) => {
	const random = seeded(seed);
	const world = new VirtualClock(random);
	let calm = false;
	const lease = memoryLease(world, () => {
		const chance = random();
		if (calm) return { delayMs: 10, fails: "no" };
		return {
			delayMs: random() < 0.15 ? random() * 20_000 : random() * 200,
			fails:
				chance < 0.1
					? "before"
					: chance < 0.2
						? "after"
						: chance < 0.22
							? "hangs"
							: "no",
		};
	});
	const wrong = new Set<string>();
	const running = new Map<string, Candidate>();
	let terms = 0;

	function begin(name: string): void {
		const clock = new ProcessClock(world, {
			rate: 0.95 + random() * 0.1,
			wallOffset: (random() - 0.5) * 7_200_000,
		});
		const stop = new AbortController();
		const election = new LeaseElection({
			store: lease.storeFor(clock),
			clock,
			identity: name,
		});
		const candidate: Candidate = {
			clock,
			election,
			stop,
			term: undefined,
			deadTermMs: 0,
			done: election
				.run(stop.signal, async (term) => {
					candidate.term = term;
					await new Promise<void>((resolve) => {
						if (term.aborted) resolve();
						term.addEventListener("abort", () => resolve(), { once: true });
					});
				})
				.then(() => {
					terms++;
					running.delete(name);
				}),
		};
		running.set(name, candidate);
	}

	function look(sinceMs: number): void {
		const awake = [...running].filter(([, { clock }]) => !clock.paused);
		const leaders = awake.filter(([, { election }]) => election.isLeader);
		if (leaders.length > 1)
			wrong.add(
				`two lead: ${leaders.map(([name]) => name).join(" and ")} at ${world.monotonic()}`,
			);
		for (const [name, candidate] of awake) {
			const { term, election } = candidate;
			const dead = term !== undefined && !term.aborted && !election.isLeader;
			candidate.deadTermMs = dead ? candidate.deadTermMs + sinceMs : 0;
			// A wall clock that was set lets a renewal under way end first; the deadline is the last.
			if (candidate.deadTermMs > 11_000)
				wrong.add(`${name} goes on with a term that has ended`);
		}
	}

	for (let step = 0; step < 400; step++) {
		for (const name of ["a", "b", "c"]) {
			const here = running.get(name);
			if (here === undefined) begin(name);
			else if (random() < 0.005) here.stop.abort();
			else if (here.clock.paused) {
				if (random() < 0.15) {
					await here.clock.resume();
					look(0);
				}
			} else if (random() < 0.03)
				here.clock.pause(random() < 0.5 ? "stopped" : "suspended");
			else if (random() < 0.01) here.clock.stepWall(random() * 60_000);
		}
		const ms = random() * 1_500;
		await world.advance(ms);
		look(ms);
	}

	calm = true;
	for (const { clock } of running.values()) await clock.resume();
	for (let second = 0; second < 60; second++) {
		await world.advance(1_000);
		for (const name of ["a", "b", "c"]) if (!running.has(name)) begin(name);
		look(1_000);
	}
	const before = lease.requests;
	const holder = [...running].filter(([, { election }]) => election.isLeader);
	if (holder.length !== 1) wrong.add(`${holder.length} lead in calm`);
	await world.advance(600_000);
	look(0);
	const perMinute = (lease.requests - before) / 10;
	// The leader reads and writes every 2 s, the others read.
	if (perMinute > 130) wrong.add(`a hot loop: ${perMinute} requests a minute`);
	if (holder[0]?.[1].election.isLeader !== true)
		wrong.add("the leader changed in calm");
	if (terms === 0) wrong.add("no term ever ended: the simulation is too mild");
	for (const { stop } of running.values()) stop.abort();
	await world.advance(60_000);
	return [...wrong];
};
