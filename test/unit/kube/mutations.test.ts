import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import { simulateElection } from "./simulation/election.ts";
import { simulateOperator } from "./simulation/operator.ts";
import { simulateQueue } from "./simulation/queue.ts";
import { simulateReflector } from "./simulation/reflector.ts";
import {
	RUNTIME,
	type Runtime,
	type Simulation,
} from "./simulation/runtime.ts";

const KUBE = resolve(import.meta.dirname, "../../../src/kube");

/** Of each mutant: where it is, what stands there, what it makes of it, and who has to see it. */
const MUTANTS: readonly (readonly [
	name: string,
	file: string,
	from: string,
	to: string,
	simulation: Simulation,
])[] = [
	[
		"a term is longer than the lease",
		"lease.ts",
		"const { renewDeadlineMs } = this.#times;",
		"const renewDeadlineMs = 4 * this.#times.renewDeadlineMs;",
		simulateElection,
	],
	[
		"a term is counted from the answer, not from the request",
		"lease.ts",
		"this.#leadsUntil = until;",
		"this.#leadsUntil = { monotonic: this.#clock.monotonic() + 20_000, wall: Infinity };",
		simulateElection,
	],
	[
		"a suspended machine is not noticed",
		"lease.ts",
		"this.#clock.wall().getTime() < this.#leadsUntil.wall",
		"true",
		simulateElection,
	],
	[
		"a lease is taken over before it has run out",
		"lease.ts",
		"if (spec.holderIdentity && age < term) return undefined;",
		"if (spec.holderIdentity && age < 5_000) return undefined;",
		simulateElection,
	],
	[
		"the age of a lease is not counted anew when it is renewed",
		"lease.ts",
		"if (found.version !== this.#seen?.record.version)",
		"if (this.#seen === undefined)",
		simulateElection,
	],
	[
		"a renewal that comes too late ends in silence",
		"lease.ts",
		"if (signal.aborted) break;",
		"if (signal.aborted || !this.isLeader) break;",
		simulateElection,
	],
	[
		"the lease is renewed without a pause",
		"lease.ts",
		"await sleep(this.#clock, this.#times.retryMs, signal);",
		"await sleep(this.#clock, 50, signal);",
		simulateElection,
	],
	[
		"a candidate never gives up on a request",
		"lease.ts",
		'attempt.abort(new Error("no answer in time")),',
		"undefined,",
		simulateElection,
	],
	[
		"what is added while its key is worked on is forgotten",
		"work-queue.ts",
		"			this.#again.add(key);\n			return;",
		"			return;",
		simulateQueue,
	],
	[
		"two workers may hold one key",
		"work-queue.ts",
		"		if (this.#held.has(key)) {",
		"		if (false) {",
		simulateQueue,
	],
	[
		"a key that waits again is dropped when its worker is done",
		"work-queue.ts",
		"if (!this.#again.delete(key) || this.#closed) return;",
		"if (!this.#again.delete(key) || this.#closed || this.#ready.size > 0) return;",
		simulateQueue,
	],
	[
		"failures in a row do not slow a key down",
		"work-queue.ts",
		"this.#baseMs * 2 ** Math.min(failures, 30),",
		"this.#baseMs,",
		simulateQueue,
	],
	[
		"a success does not end a row of failures",
		"work-queue.ts",
		"		this.#failures.delete(key);",
		"",
		simulateQueue,
	],
	[
		"a worker that failed keeps its key",
		"controller.ts",
		"			} finally {\n				queue.done(key);\n			}",
		"				continue;\n			}\n			queue.done(key);",
		simulateQueue,
	],
	[
		"a failed key does not come again",
		"controller.ts",
		"const retryInMs = queue.retry(key);",
		"const retryInMs = 1e9;",
		simulateQueue,
	],
	[
		"a list does not show what is gone",
		"reflector.ts",
		"			if (!found.has(key)) this.#set(key, undefined);",
		"			if (!found.has(key)) continue;",
		simulateReflector,
	],
	[
		"a version that is too old is asked for again and again",
		"reflector.ts",
		"if (api?.status === 410) version = undefined;",
		"",
		simulateReflector,
	],
	[
		"silence is not noticed",
		"reflector.ts",
		"cancel = this.#clock.after(inactivityMs, () =>",
		"cancel = this.#clock.after(1e12, () =>",
		simulateReflector,
	],
	[
		"failures bring no pause",
		"reflector.ts",
		"jittered(this.#clock, Math.max(ms, retryAfterMs)),",
		"0,",
		simulateReflector,
	],
	[
		"watches that end at once bring no pause",
		"reflector.ts",
		"if (failures > 0) await this.#pause(failures, 0, signal);",
		"",
		simulateReflector,
	],
	[
		"a change of an object that is known is not told",
		"reflector.ts",
		"				before?.metadata.resourceVersion === object.metadata.resourceVersion",
		"				before !== undefined",
		simulateReflector,
	],
	[
		"a page that grew too old leaves what was read before",
		"reflector.ts",
		"				limit = undefined;\n			}",
		"				break;\n			}",
		simulateReflector,
	],
	[
		"a watch that failed goes on behind what it missed",
		"reflector.ts",
		"if (error instanceof WatchFailure) version = error.version;",
		"if (error instanceof WatchFailure) version = String(Number(error.version) + 1);",
		simulateReflector,
	],
	[
		"what was under way writes beside the next leader",
		"fence.ts",
		'if (method !== "GET" && !allowed())',
		"if (!allowed)",
		simulateOperator,
	],
	[
		"changes that come while another leads are lost to the next leader",
		"work-queue.ts",
		"		this.#ready.set(key, this.#clock.monotonic());\n		this.#serve();",
		"		if (this.#takers.length > 0 || this.#held.size > 0) this.#ready.set(key, this.#clock.monotonic());\n		this.#serve();",
		simulateOperator,
	],
];

/** The runtime with one file changed in one place. */
async function mutated(
	dir: string,
	file: string,
	from: string,
	to: string,
): Promise<Runtime> {
	const source = await readFile(join(KUBE, file), "utf8");
	expect(
		source.split(from).length - 1,
		`${file} has this once, so that the mutant is what its name says: ${from}`,
	).toBe(1);
	const path = join(dir, file);
	await writeFile(
		path,
		source
			.replace(from, () => to)
			.replaceAll('from "./', `from "${pathToFileURL(KUBE).href}/`),
	);
	const module = (await import(pathToFileURL(path).href)) as Partial<Runtime>;
	return { ...RUNTIME, ...module };
}

const SEEDS = 40;

test.each(MUTANTS)(
	"the simulation sees it when %s",
	async (_, file, from, to, simulation) => {
		const dir = await mkdtemp(join(tmpdir(), "tributary-mutant-"));
		try {
			const runtime = await mutated(dir, file, from, to);
			for (let seed = 1; seed <= SEEDS; seed++)
				if ((await simulation(runtime, seed)).length > 0) return;
			expect.unreachable(`none of ${SEEDS} seeds shows it`);
		} finally {
			await rm(dir, { recursive: true, force: true });
		}
	},
);
