import type { ApiClient } from "../../../../src/kube/client.ts";
import type { LeaseElection } from "../../../../src/kube/lease.ts";
import { seeded, VirtualClock } from "../virtual-clock.ts";
import { memoryLease } from "./election.ts";
import { HostileServer, type Valued } from "./hostile-server.ts";
import { ProcessClock } from "./process-clock.ts";
import type { Runtime, Simulation } from "./runtime.ts";

const NAMES = ["a", "b"] as const;
const WORKERS = 3;

interface Replica {
	readonly clock: ProcessClock;
	readonly election: LeaseElection;
	readonly stop: AbortController;
}

/**
 * Two replicas of an operator that writes each object's specification into its status, made of reflector,
 * queue, controller, election and fence: with everything that can happen to the server, the lease
 * and the processes. Only the leader may write, and in the end every status must say what the
 * specification says, although nothing is looked at twice without a reason.
 */
export const simulateOperator: Simulation = async (runtime, seed) => {
	const random = seeded(seed);
	const world = new VirtualClock(random);
	const server = new HostileServer(random);
	let calm = false;
	const lease = memoryLease(world, () => ({
		delayMs: !calm && random() < 0.05 ? random() * 20_000 : random() * 100,
		fails: !calm && random() < 0.05 ? "after" : "no",
	}));
	const replicas = new Map<string, Replica>();
	const wrong = new Set<string>();
	let leaders = 0;

	function begin(name: string): void {
		const clock = new ProcessClock(world, { rate: 0.97 + random() * 0.06 });
		const stop = new AbortController();
		const election = new runtime.LeaseElection({
			store: lease.storeFor(clock),
			clock,
			identity: name,
		});
		replicas.set(name, { clock, election, stop });
		void run(runtime, {
			clock,
			election,
			server,
			signal: stop.signal,
			leads: () => leaders++,
			writes: () => {
				const others = [...replicas].filter(
					([other, { clock, election }]) =>
						other !== name && !clock.paused && election.isLeader,
				);
				if (others.length > 0) wrong.add(`${name} writes beside a leader`);
			},
		}).then(() => replicas.delete(name));
	}

	for (let step = 0; step < 200; step++) {
		for (const name of NAMES) {
			const here = replicas.get(name);
			if (here === undefined) begin(name);
			else if (here.clock.paused) {
				if (random() < 0.1) await here.clock.resume();
			} else if (random() < 0.01) here.stop.abort();
			else if (random() < 0.02)
				here.clock.pause(random() < 0.5 ? "stopped" : "suspended");
		}
		server.change(`o${Math.floor(random() * 10)}`);
		await world.advance(random() * 2_000);
	}
	calm = true;
	server.calmDown();
	for (const { clock } of replicas.values()) await clock.resume();
	for (let second = 0; second < 180; second++) {
		for (const name of NAMES) if (!replicas.has(name)) begin(name);
		await world.advance(1_000);
	}
	for (const [key, { spec, status }] of server.objects)
		if (status?.value !== spec.value)
			wrong.add(`${key} says ${status?.value}, not ${spec.value}: a lost key`);
	const before = server.requests;
	await world.advance(600_000);
	const rest = server.requests - before;
	if (rest > 140) wrong.add(`a hot loop: ${rest} requests in ten calm minutes`);
	if (leaders < 2) wrong.add("one leader only: the simulation is too mild");
	for (const { stop } of replicas.values()) stop.abort();
	await world.advance(60_000);
	return [...wrong];
};

/** One process, from its start until its term or its life ends. */
async function run(
	runtime: Runtime,
	options: {
		clock: ProcessClock;
		election: LeaseElection;
		server: HostileServer;
		signal: AbortSignal;
		leads: () => void;
		writes: () => void;
	},
): Promise<void> {
	const { clock, election, server, signal } = options;
	const ended = new AbortController();
	const life = AbortSignal.any([signal, ended.signal]);
	const queue = new runtime.WorkQueue(clock, { baseMs: 200, maxMs: 20_000 });
	const reflector = new runtime.Reflector<Valued>({
		source: server.source(clock),
		clock,
		onChange: (key, object) => {
			if (object?.status?.value !== object?.spec.value) queue.add(key);
		},
		onError: () => {},
		settings: { pageSize: 3, watchMs: 20_000, inactivityMs: 10_000 },
	});
	const client: ApiClient = runtime.fenceWrites(
		{
			async request<T>({ path, body }: { path: string; body?: object }) {
				options.writes();
				await server.request(clock, life);
				const { uid, value } = body as { uid: string; value: number };
				return server.putStatus(path, uid, value) as T;
			},
			async *lines() {},
		},
		() => election.isLeader,
	);
	const watching = reflector.run(life);
	try {
		await election.run(life, async (term) => {
			options.leads();
			await Promise.race([
				reflector.synced,
				new Promise((resolve) =>
					term.addEventListener("abort", resolve, { once: true }),
				),
			]);
			for (const { metadata } of reflector.values())
				queue.add(`data/${metadata.name}`);
			await runtime.runController({
				queue,
				clock,
				workers: WORKERS,
				signal: term,
				report: () => {},
				reconcile: async (key) => {
					const object = reflector.get(key);
					if (object === undefined) return {};
					if (object.status?.value === object.spec.value) return {};
					// As looking at secrets and at Kafka Connect takes time.
					await server.request(clock, life);
					await client.request({
						method: "PATCH",
						path: key,
						body: { uid: object.metadata.uid, value: object.spec.value },
					});
					return {};
				},
			});
		});
	} finally {
		ended.abort();
		await watching;
	}
}
