import type { Kafka } from "kafkajs";
import type { MemoryPool } from "../columnar/memory-pool.ts";
import { FIRST_VERSION, LAST_VERSION, parseFetch } from "./fetch-response.ts";

/** What is used of kafkajs's own cluster. */
export interface Cluster {
	connect(): Promise<void>;
	disconnect(): Promise<void>;
	findBroker(options: { readonly nodeId: number }): Promise<Broker>;
	readonly brokerPool: { findConnectedBroker(): Promise<Broker> };
}

export interface Broker {
	readonly versions?: Readonly<Record<number, { readonly maxVersion: number }>>;
	readonly connectionPool: {
		readonly pool: readonly Connection[];
		send<T>(exchange: Exchange<T>): Promise<T>;
	};
}

interface Connection {
	/** What has come and is no whole answer yet. */
	chunks: readonly Buffer[];
	readonly bytesBuffered: number;
	processData(data: Buffer): void;
}

export interface Exchange<T> {
	readonly request: {
		readonly apiKey: number;
		readonly apiVersion: number;
		readonly apiName: string;
		encode(): Promise<object>;
	};
	readonly response: {
		decode(bytes: Buffer): Promise<T>;
		parse(data: T): Promise<T>;
	};
}

/** A request's body, whole, in the form of kafkajs's own encoder. */
export function encoded(bytes: Buffer): () => Promise<object> {
	const body = { buf: bytes, buffer: bytes, size: () => bytes.length };
	return async () => body;
}

const FETCH = 1;

type CreateCluster = (options: object) => Cluster;

/** A cluster with connections of its own. */
export function newCluster(kafka: Kafka, options: object): Cluster {
	return createCluster(kafka).make(options);
}

/**
 * A client whose consumers get whole record batches as their messages: kafkajs makes a dozen objects of
 * each record, and lets a record of an aborted transaction through where a fetch begins inside two of
 * them. What has message sets comes as kafkajs reads it.
 */
export function withFetchedBatches(kafka: Kafka, pool: MemoryPool): Kafka {
	const { symbol, make } = createCluster(kafka);
	return Object.create(kafka, {
		[symbol]: {
			value: (options: object): Cluster => {
				const cluster = make(options);
				const known = new WeakSet<Broker>();
				const findBroker = cluster.findBroker.bind(cluster);
				cluster.findBroker = async (which) => {
					const broker = await findBroker(which);
					if (!known.has(broker)) fetchBatches(broker, pool);
					known.add(broker);
					return broker;
				};
				return cluster;
			},
		},
	});
}

function fetchBatches({ connectionPool }: Broker, pool: MemoryPool): void {
	for (const connection of connectionPool.pool) {
		const processData = connection.processData.bind(connection);
		connection.processData = (data) => {
			// An empty rest would be joined with the answer, into a copy of it.
			if (connection.bytesBuffered === 0) connection.chunks = [];
			processData(data);
		};
	}
	const send = connectionPool.send.bind(connectionPool);
	connectionPool.send = <T>(exchange: Exchange<T>): Promise<T> => {
		const { request, response } = exchange;
		const { apiKey, apiVersion } = request;
		return apiKey !== FETCH ||
			apiVersion < FIRST_VERSION ||
			apiVersion > LAST_VERSION
			? send(exchange)
			: send({
					...exchange,
					response: {
						parse: response.parse,
						decode: async (bytes) => {
							const { buffer } = bytes;
							const giveBack = pool.has(buffer)
								? () => pool.giveBack(buffer)
								: undefined;
							return (
								(parseFetch(bytes, apiVersion, giveBack) as T | undefined) ??
								(await response.decode(bytes))
							);
						},
					},
				});
	};
}

/** The version of kafkajs is pinned: its client makes a cluster under this symbol. */
function createCluster(kafka: Kafka): {
	readonly symbol: symbol;
	readonly make: CreateCluster;
} {
	const symbol = Object.getOwnPropertySymbols(kafka).find(
		({ description }) => description === "private:Kafka:createCluster",
	);
	const make =
		symbol === undefined
			? undefined
			: (kafka as unknown as Record<symbol, CreateCluster>)[symbol];
	if (symbol === undefined || make === undefined)
		throw new TypeError("this kafkajs has no cluster");
	return { symbol, make };
}
