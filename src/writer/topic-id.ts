import type { Kafka } from "kafkajs";
import { TributaryError } from "../errors.ts";
import { encoded, newCluster } from "./cluster.ts";
import type { TopicId } from "./source.ts";

/*
 * Metadata request and response, version 12 (KIP-516, KIP-482: compact strings and arrays have their
 * length plus one as an unsigned varint, and tagged fields end each structure):
 *
 *   request   header tags, topics (0: null, all of them), allow_auto_topic_creation,
 *             include_topic_authorized_operations, tags
 *   response  header tags, throttle_time_ms int32,
 *             brokers [node_id int32, host, port int32, rack, tags], cluster_id, controller_id int32,
 *             topics [error_code int16, name, topic_id 16 bytes, is_internal,
 *               partitions [error_code int16, index int32, leader int32, leader_epoch int32,
 *                 replicas [int32], isr [int32], offline [int32], tags],
 *               topic_authorized_operations int32, tags], tags
 */
const METADATA = 3;
const VERSION = 12;
const REQUEST = Buffer.from([0, 0, 0, 0, 0]);

export interface TopicIds {
	/**
	 * UUIDs of all topics by name; none from brokers before Kafka 3.1.
	 * @throws TributaryError KAFKA_ANSWER_INVALID
	 */
	read(): Promise<ReadonlyMap<string, TopicId>>;
	close(): Promise<void>;
}

/**
 * kafkajs asks for metadata in a version that has no ids, so the request is made here, and sent over a
 * connection of its own.
 */
export function openTopicIds(kafka: Kafka): TopicIds {
	const cluster = newCluster(kafka, {
		metadataMaxAge: 300_000,
		allowAutoTopicCreation: false,
	});
	let connected: Promise<void> | undefined;
	return {
		read: async () => {
			connected ??= cluster.connect();
			try {
				await connected;
			} catch (error) {
				connected = undefined;
				throw error;
			}
			const broker = await cluster.brokerPool.findConnectedBroker();
			if ((broker.versions?.[METADATA]?.maxVersion ?? 0) < VERSION)
				return new Map();
			return await broker.connectionPool.send({
				request: {
					apiKey: METADATA,
					apiVersion: VERSION,
					apiName: "Metadata",
					encode: encoded(REQUEST),
				},
				response: {
					decode: async (bytes) => parseTopicIds(bytes),
					parse: async (ids) => ids,
				},
			});
		},
		close: () => cluster.disconnect(),
	};
}

/** @throws TributaryError KAFKA_ANSWER_INVALID when the bytes are no such response */
export function parseTopicIds(bytes: Uint8Array): Map<string, TopicId> {
	try {
		return read(
			new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)),
		);
	} catch (cause) {
		throw new TributaryError(
			"KAFKA_ANSWER_INVALID",
			`Kafka's answer of ${bytes.length} bytes is no Metadata response of version ${VERSION}`,
			{ cause },
		);
	}
}

function read(reader: Reader): Map<string, TopicId> {
	reader.tags();
	reader.skip(4);
	for (let brokers = reader.count(); brokers > 0; brokers--) {
		reader.skip(4);
		reader.text();
		reader.skip(4);
		reader.text();
		reader.tags();
	}
	reader.text();
	reader.skip(4);
	const ids = new Map<string, TopicId>();
	for (let topics = reader.count(); topics > 0; topics--) {
		const error = reader.int16();
		const name = reader.text();
		const id = reader.take(16).toString("hex");
		reader.skip(1);
		for (let partitions = reader.count(); partitions > 0; partitions--) {
			reader.skip(14);
			for (let list = 0; list < 3; list++) reader.skip(reader.count() * 4);
			reader.tags();
		}
		reader.skip(4);
		reader.tags();
		if (error === 0 && name !== undefined && !/^0+$/.test(id))
			ids.set(
				name,
				id.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5"),
			);
	}
	return ids;
}

class Reader {
	readonly #bytes: Buffer;
	#at = 0;

	constructor(bytes: Buffer) {
		this.#bytes = bytes;
	}

	take(length: number): Buffer {
		const part = this.#bytes.subarray(this.#at, this.#at + length);
		if (length < 0 || part.length !== length)
			throw new RangeError(`${length} bytes are missing at ${this.#at}`);
		this.#at += length;
		return part;
	}

	skip(length: number): void {
		this.take(length);
	}

	int16(): number {
		return this.take(2).readInt16BE();
	}

	varint(): number {
		let value = 0;
		for (let shift = 0; shift < 35; shift += 7) {
			const [byte = 0] = this.take(1);
			value += (byte & 0x7f) * 2 ** shift;
			if (byte < 0x80) return value;
		}
		throw new RangeError("a varint is too long");
	}

	/** Of a compact array; a null one is empty. */
	count(): number {
		return Math.max(0, this.varint() - 1);
	}

	text(): string | undefined {
		const length = this.varint();
		return length === 0 ? undefined : this.take(length - 1).toString("utf8");
	}

	tags(): void {
		for (let tags = this.varint(); tags > 0; tags--) {
			this.varint();
			this.skip(this.varint());
		}
	}
}
