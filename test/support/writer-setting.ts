import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import kafkajs, { type Admin, type Producer } from "kafkajs";
import { type Stack, startStack } from "../../stack/components.ts";

/** What writers work with: a broker, a store with the bucket `lake`, and clients for a test's own records. */
export interface WriterSetting {
	/** Removed in the end. */
	readonly dir: string;
	readonly stack: Stack<"kafka" | "s3">;
	readonly producer: Producer;
	readonly admin: Admin;
	stop(signal?: "SIGTERM" | "SIGKILL"): Promise<void>;
}

export async function startWriterSetting(name: string): Promise<WriterSetting> {
	const dir = await mkdtemp(join(tmpdir(), `tributary-${name}-`));
	const stack = await startStack({
		dir,
		components: ["kafka", "s3"],
		buckets: ["lake"],
	});
	const kafka = new kafkajs.Kafka({
		brokers: [stack.kafka.bootstrap],
		logLevel: kafkajs.logLevel.NOTHING,
	});
	const admin = kafka.admin();
	const producer = kafka.producer();
	const stop = async (signal?: "SIGTERM" | "SIGKILL"): Promise<void> => {
		await producer.disconnect();
		await admin.disconnect();
		await stack.stop(signal);
		await rm(dir, { recursive: true, force: true });
	};
	try {
		await admin.connect();
		await producer.connect();
	} catch (error) {
		await stop("SIGKILL");
		throw error;
	}
	return { dir, stack, producer, admin, stop };
}
