import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startMariadb, startMongoDouble, startPostgres } from "./databases.ts";
import { startConnect, startKafka } from "./kafka.ts";
import type { Place, Running } from "./process.ts";
import { startS3 } from "./s3.ts";

export { CACHE, JUDGES_PYTHON, SPARK_PYTHON } from "./cache.ts";
export {
	type RunningDatabase,
	type RunningMongoDouble,
	startMariadb,
	startMongoDouble,
	startPostgres,
} from "./databases.ts";
export {
	type RunningConnect,
	type RunningKafka,
	startConnect,
	startKafka,
} from "./kafka.ts";
export {
	cpuSecondsOf,
	freePorts,
	memoryOf,
	type Place,
	type Running,
} from "./process.ts";
export { type RunningS3, startS3 } from "./s3.ts";

/** Each component of a stack is started with what it needs of the others. */
const starters = {
	kafka: startKafka,
	postgres: startPostgres,
	mariadb: startMariadb,
	mongo: startMongoDouble,
	s3: startS3,
	connect: startConnect,
};
type Starters = typeof starters;
export type Component = keyof Starters;
type Parts<Names extends Component> = {
	readonly [Name in Names]: Awaited<ReturnType<Starters[Name]>>;
};

/** The running components by name. */
export type Stack<Names extends Component = Component> = Parts<Names> & {
	readonly dir: string;
	/** Stops all of them, the last started first, also when some fail. */
	stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
};

/**
 * Starts components side by side; `connect` needs `kafka` and waits for it. When one does not
 * start, those that did are stopped, and the error has the end of its log. Without `dir` the data
 * goes to a new temporary folder, which stays.
 */
export async function startStack<const Names extends Component>(
	options: Partial<Place> & {
		readonly components: readonly Names[];
		readonly buckets?: readonly string[];
	},
): Promise<Stack<Names>> {
	const { components, buckets = [], ...rest } = options;
	const dir = rest.dir ?? mkdtempSync(join(tmpdir(), "tributary-stack-"));
	const place: Place = { ...rest, dir };
	const wanted = new Set<Component>(components);
	if (wanted.has("connect") && !wanted.has("kafka"))
		throw new Error("a stack with connect needs kafka too");
	const started: Running[] = [];
	const parts: Partial<Record<Component, Running>> = {};

	async function add(
		name: Component,
		starting: Promise<Running>,
	): Promise<void> {
		const running = await starting;
		started.push(running);
		parts[name] = running;
	}
	async function addKafka(): Promise<void> {
		const kafka = await startKafka(place);
		await add("kafka", Promise.resolve(kafka));
		if (wanted.has("connect"))
			await add(
				"connect",
				startConnect({ ...place, bootstrap: kafka.bootstrap }),
			);
	}
	async function stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void> {
		const failures: unknown[] = [];
		for (const running of started.splice(0).reverse())
			await running.stop(signal).catch((error) => failures.push(error));
		if (failures.length > 0)
			throw new AggregateError(failures, "some components did not stop");
	}

	const results = await Promise.allSettled([
		...(wanted.has("kafka") ? [addKafka()] : []),
		...(wanted.has("postgres") ? [add("postgres", startPostgres(place))] : []),
		...(wanted.has("mariadb") ? [add("mariadb", startMariadb(place))] : []),
		...(wanted.has("mongo") ? [add("mongo", startMongoDouble(place))] : []),
		...(wanted.has("s3") ? [add("s3", startS3({ ...place, buckets }))] : []),
	]);
	const failures = results.flatMap((result) =>
		result.status === "rejected" ? [result.reason as unknown] : [],
	);
	if (failures.length > 0) {
		await stop();
		throw failures.length === 1
			? failures[0]
			: new AggregateError(failures, failures.map(String).join("\n"));
	}
	return { ...(parts as Parts<Names>), dir, stop };
}
