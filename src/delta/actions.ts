/** Delta log actions, field for field as PROTOCOL.md "Actions" has them. */
export type Action =
	| { readonly add: AddFile }
	| { readonly remove: RemoveFile }
	| { readonly metaData: Metadata }
	| { readonly protocol: Protocol }
	| { readonly txn: SetTransaction }
	| { readonly domainMetadata: DomainMetadata }
	| { readonly cdc: AddCdcFile }
	| { readonly commitInfo: CommitInfo };

export interface AddFile {
	/** URI-encoded, relative to the table's root or absolute. */
	readonly path: string;
	readonly partitionValues: Readonly<Record<string, string | null>>;
	readonly size: number;
	readonly modificationTime: number;
	readonly dataChange: boolean;
	/** JSON text: numRecords, minValues, maxValues, nullCount, tightBounds. */
	readonly stats?: string;
	readonly tags?: Readonly<Record<string, string>>;
	readonly deletionVector?: DeletionVectorDescriptor;
	readonly baseRowId?: number;
	readonly defaultRowCommitVersion?: number;
	readonly clusteringProvider?: string;
}

export interface RemoveFile {
	readonly path: string;
	readonly deletionTimestamp?: number;
	readonly dataChange: boolean;
	readonly extendedFileMetadata?: boolean;
	readonly partitionValues?: Readonly<Record<string, string | null>>;
	readonly size?: number;
	readonly stats?: string;
	readonly tags?: Readonly<Record<string, string>>;
	readonly deletionVector?: DeletionVectorDescriptor;
	readonly baseRowId?: number;
	readonly defaultRowCommitVersion?: number;
}

export interface DeletionVectorDescriptor {
	readonly storageType: "u" | "i" | "p";
	readonly pathOrInlineDv: string;
	readonly offset?: number;
	readonly sizeInBytes: number;
	readonly cardinality: number;
}

export interface Metadata {
	readonly id: string;
	readonly name?: string;
	readonly description?: string;
	readonly format: {
		readonly provider: string;
		readonly options: Readonly<Record<string, string>>;
	};
	readonly schemaString: string;
	readonly partitionColumns: readonly string[];
	readonly createdTime?: number;
	readonly configuration: Readonly<Record<string, string>>;
}

export interface Protocol {
	readonly minReaderVersion: number;
	readonly minWriterVersion: number;
	readonly readerFeatures?: readonly string[];
	readonly writerFeatures?: readonly string[];
}

export interface SetTransaction {
	readonly appId: string;
	/** Non-negative; Tributary stores the last Kafka offset of a topic-partition here. */
	readonly version: number;
	readonly lastUpdated?: number;
}

export interface DomainMetadata {
	readonly domain: string;
	readonly configuration: string;
	readonly removed: boolean;
}

export interface AddCdcFile {
	readonly path: string;
	readonly partitionValues: Readonly<Record<string, string | null>>;
	readonly size: number;
	readonly dataChange: false;
	readonly tags?: Readonly<Record<string, string>>;
}

/** Marks a V2 checkpoint (PROTOCOL.md, "Checkpoint Metadata"). */
export interface CheckpointMetadata {
	readonly version: number;
	readonly tags?: Readonly<Record<string, string>>;
}

/** A file of a V2 checkpoint with `add` and `remove` actions (PROTOCOL.md, "Sidecar File Information"). */
export interface Sidecar {
	/** Relative to `_delta_log/_sidecars/`, or absolute. */
	readonly path: string;
	readonly sizeInBytes: number;
	readonly modificationTime: number;
	readonly tags?: Readonly<Record<string, string>>;
}

/** Free-form; the named fields are those that other engines read. */
export interface CommitInfo {
	readonly timestamp?: number;
	readonly operation?: string;
	readonly operationParameters?: Readonly<Record<string, unknown>>;
	readonly operationMetrics?: Readonly<Record<string, string>>;
	readonly readVersion?: number;
	readonly isolationLevel?: string;
	readonly isBlindAppend?: boolean;
	readonly engineInfo?: string;
	/** Milliseconds; the commit's time where in-commit timestamps are on. */
	readonly inCommitTimestamp?: number;
	/** Unique per commit: what an ambiguous PUT is resolved by. */
	readonly txnId?: string;
	readonly [field: string]: unknown;
}
