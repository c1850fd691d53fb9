import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "../../stack/components.ts";
import {
	type FaultPlan,
	type FaultProxy,
	NO_FAULTS,
	seededFaults,
} from "./fault-proxy.ts";
import type { WriterProcess, WriterUnderTest } from "./writer-process.ts";

/** What is done to writers, broker and store while they work. */
export const FAULTS = [
	"kill a writer",
	"zombie",
	"kill the broker",
	"kill the store",
	"store faults",
	"store slows down",
	"lost responses",
	"add a pod",
	"remove a pod",
] as const;
export type ChaosFault = (typeof FAULTS)[number];

/** What a pod has for its last commits. */
const GRACE_MS = 30_000;

export interface ChaosOptions {
	readonly writer: WriterUnderTest;
	readonly stack: Stack<"kafka" | "s3">;
	readonly proxy: FaultProxy;
	readonly random: () => number;
	/** Of the group: a member that is stopped for longer is taken for dead. */
	readonly sessionTimeoutMs: number;
	/** Below it each pod has a folder of its own, as on its own disk. */
	readonly indexFolder: string;
}

/** Pods with their ordinals, as a StatefulSet has them, and the harm that comes to them. */
export class Chaos {
	readonly #options: ChaosOptions;
	readonly #pods = new Map<number, WriterProcess>();

	constructor(options: ChaosOptions) {
		this.#options = options;
	}

	get pods(): number {
		return this.#pods.size;
	}

	async scale(pods: number): Promise<void> {
		for (let pod = 0; pod < pods; pod++)
			if (!this.#pods.has(pod)) await this.#start(pod);
		for (const pod of [...this.#pods.keys()])
			if (pod >= pods) await this.#stop(pod);
	}

	/** Whether each pod works, as it says itself. */
	async report(): Promise<string> {
		const reports = await Promise.all(
			[...this.#pods].map(async ([pod, running]) => {
				const { error, waiting, lagRecords } = await running.status();
				return `${pod}: ${error ?? waiting ?? "well"}, lag ${lagRecords}`;
			}),
		);
		return reports.join("; ");
	}

	/** @throws Error when a writer ended that nobody ended */
	check(): void {
		for (const [pod, { child }] of this.#pods)
			if (child.exitCode !== null || child.signalCode !== null)
				throw new Error(
					`writer ${pod} ended with ${child.exitCode ?? child.signalCode}: ${this.#options.writer.logTail(this.#logFile(pod))}`,
				);
	}

	async inflict(fault: ChaosFault): Promise<void> {
		const { stack, random, sessionTimeoutMs } = this.#options;
		switch (fault) {
			case "kill a writer": {
				const pod = this.#anyPod();
				await this.#pods.get(pod)?.end("SIGKILL");
				await this.#start(pod);
				return;
			}
			case "zombie": {
				const { child } = this.#pods.get(this.#anyPod()) as WriterProcess;
				child.kill("SIGSTOP");
				await sleep(sessionTimeoutMs * (1.5 + random()));
				child.kill("SIGCONT");
				return;
			}
			case "kill the broker":
				await stack.kafka.stop("SIGKILL");
				await sleep(random() * 1500);
				await stack.kafka.restart();
				return;
			case "kill the store":
				await stack.s3.stop("SIGKILL");
				await sleep(random() * 2500);
				await stack.s3.restart();
				return;
			case "store faults":
				return await this.#faulty(seededFaults(random() * 2 ** 31, 0.4));
			case "store slows down":
				return await this.#faulty(() =>
					random() < 0.8
						? { kind: "refuse", status: 503 }
						: { kind: "slow", ms: 1000 * random() },
				);
			case "lost responses":
				return await this.#faulty(({ method }) =>
					method === "PUT" && random() < 0.7
						? { kind: "lose", status: random() < 0.5 ? 500 : "reset" }
						: { kind: "none" },
				);
			case "add a pod":
				return await this.scale(Math.min(4, this.pods + 1));
			case "remove a pod":
				return await this.scale(Math.max(1, this.pods - 1));
			default:
				return fault satisfies never;
		}
	}

	async #faulty(plan: FaultPlan): Promise<void> {
		const { proxy, random } = this.#options;
		proxy.plan = plan;
		await sleep(1000 + 2000 * random());
		proxy.plan = NO_FAULTS;
	}

	#logFile(pod: number): string {
		return this.#options.writer.logFile.replace(/\.log$/, `-${pod}.log`);
	}

	#anyPod(): number {
		const pods = [...this.#pods.keys()];
		return pods[Math.floor(this.#options.random() * pods.length)] ?? 0;
	}

	async #start(pod: number): Promise<void> {
		const { writer, indexFolder, sessionTimeoutMs } = this.#options;
		this.#pods.set(
			pod,
			await writer.start(
				{
					KEY_INDEX_DIR: join(indexFolder, String(pod)),
					TRIBUTARY_KAFKA_SESSION_TIMEOUT_MS: String(sessionTimeoutMs),
				},
				this.#logFile(pod),
			),
		);
	}

	/** In good order: a writer that does not end with status 0 is a finding. */
	async #stop(pod: number): Promise<void> {
		const running = this.#pods.get(pod);
		this.#pods.delete(pod);
		const code = await Promise.race([
			running?.end("SIGTERM"),
			sleep(GRACE_MS, "no end in time", { ref: false }),
		]);
		// Null: it had only just begun, and knew nothing of signals yet.
		if (code !== 0 && code !== null)
			throw new Error(
				`writer ${pod} ended with ${code} after SIGTERM: ${this.#options.writer.logTail(this.#logFile(pod))}`,
			);
	}
}

/** So many faults, each kind before any comes again. */
export function schedule(count: number, random: () => number): ChaosFault[] {
	const faults: ChaosFault[] = [];
	while (faults.length < count) {
		const round = FAULTS.map((fault) => ({ fault, at: random() }));
		round.sort((a, b) => a.at - b.at);
		faults.push(...round.map(({ fault }) => fault));
	}
	return faults.slice(0, count);
}
