/** Where change records come from: Kafka, or its double in simulations. */
export interface Source {
	readonly clusterId: string;
	/** The topics that are there, by name, with what tells each from another of its name. */
	topics(): Promise<ReadonlyMap<string, TopicId>>;
	/** What Kafka keeps of a topic's partitions: records from `low` on, and `high` is next. */
	offsets(topic: string): Promise<readonly PartitionOffsets[]>;
	/** Joins the group; batches come to the handler until the subscription ends. */
	subscribe(
		topics: readonly string[],
		handler: SourceHandler,
	): Promise<Subscription>;
	close(): Promise<void>;
}

/** The topic's UUID (KIP-516); "" from brokers that give none. */
export type TopicId = string;

export interface PartitionOffsets {
	readonly partition: number;
	readonly low: bigint;
	readonly high: bigint;
}

export interface TopicPartition {
	readonly topic: string;
	readonly partition: number;
}

export interface SourceHandler {
	/** A rebalance gave these partitions to this member, and none else. */
	assigned(partitions: readonly TopicPartition[]): void;
	consume(batch: SourceBatch): Promise<void>;
}

/** Valid, as are its bytes, until the next one is asked for; headers are copies. */
export interface SourceRecord {
	readonly key: Uint8Array | null;
	readonly value: Uint8Array | null;
	/** A number, as in a `txn`: a BigInt would be an object per record. */
	readonly offset: number;
	headers(): readonly RecordHeader[];
	/** Kafka's, milliseconds since the epoch. */
	timestamp(): number;
}

/** A name may come more than once. */
export interface RecordHeader {
	readonly name: string;
	readonly value: Uint8Array | null;
}

/** Records of one partition, in order; offsets may have gaps. */
export interface SourceBatch extends TopicPartition {
	readonly records: Iterable<SourceRecord>;
	/** Behind the last offset of the batch, markers of transactions included. */
	readonly next: bigint;
	readonly highWatermark: bigint;
	/** Whether the partition is still this member's, and at this place. */
	current(): boolean;
	/** Tells the group that this member lives. */
	heartbeat(): Promise<void>;
	/** What was worked through; the rest comes again. */
	done(offset: bigint): void;
}

export interface Subscription {
	/** The next batch of the partition starts here. */
	seek(place: TopicPartition, offset: bigint): void;
	/** No batches of this partition until the returned function is called. */
	pause(place: TopicPartition): () => void;
	/** Offsets for displays of lag; what counts is in the tables. */
	commit(
		offsets: readonly (TopicPartition & { readonly offset: bigint })[],
	): Promise<void>;
	/** No batch comes after this. */
	stop(): Promise<void>;
	/** Leaves the group. */
	close(): Promise<void>;
}
