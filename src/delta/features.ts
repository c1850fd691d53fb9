import type { DataType, StructType } from "../columnar/types.ts";
import type { Metadata, Protocol } from "./actions.ts";
import { DeltaError } from "./errors.ts";
import { TYPE_WIDENING } from "./type-widening.ts";

export interface Feature {
	/** It binds readers too, not writers alone. */
	readonly reader: boolean;
	readonly read: boolean;
	/**
	 * `always`: tables with it are written. `inactive`: only while the table's metadata does not use
	 * it. `never`: refused.
	 */
	readonly write: "always" | "inactive" | "never";
	/** Whether the metadata makes use of the feature; absent: it needs no activation. */
	readonly active?: (metadata: Metadata) => boolean;
	/** Features that a table with this one has to have too. */
	readonly needs?: readonly string[];
	/** The protocol versions that implied it before features had names. */
	readonly legacy?: { readonly reader: number; readonly writer: number };
	/** Why it is refused, for the message. */
	readonly because?: string;
}

const property =
	(name: string, value = "true") =>
	(metadata: Metadata): boolean =>
		metadata.configuration[name] === value;
const inSchema =
	(text: string) =>
	(metadata: Metadata): boolean =>
		metadata.schemaString.includes(text);
const hasType =
	(wanted: (type: string) => boolean) =>
	(metadata: Metadata): boolean => {
		// Types are looked for by their names first: parsing a wide schema for nothing costs.
		const { schemaString } = metadata;
		return (
			/timestamp_ntz|variant|geo|nanos/i.test(schemaString) &&
			containsType(JSON.parse(schemaString) as StructType, wanted)
		);
	};

const WRITER = { reader: false, read: true } as const;
const BOTH = { reader: true, read: true } as const;
const REFUSED = { reader: true, read: false, write: "never" } as const;

/**
 * One row per table feature of PROTOCOL.md ("Table Features") and of the accepted and shipped RFCs. A
 * name that is not here is refused.
 */
export const FEATURES: Readonly<Record<string, Feature>> = {
	appendOnly: {
		...WRITER,
		write: "always",
		active: property("delta.appendOnly"),
		legacy: { reader: 1, writer: 2 },
	},
	invariants: {
		...WRITER,
		write: "always",
		active: inSchema("delta.invariants"),
		legacy: { reader: 1, writer: 2 },
	},
	checkConstraints: {
		...WRITER,
		write: "always",
		active: (metadata) =>
			Object.keys(metadata.configuration).some((name) =>
				name.startsWith("delta.constraints."),
			),
		legacy: { reader: 1, writer: 3 },
	},
	changeDataFeed: {
		...WRITER,
		write: "always",
		active: property("delta.enableChangeDataFeed"),
		legacy: { reader: 1, writer: 4 },
	},
	generatedColumns: {
		...WRITER,
		write: "always",
		active: inSchema("delta.generationExpression"),
		legacy: { reader: 1, writer: 4 },
	},
	columnMapping: {
		...BOTH,
		write: "always",
		active: (metadata) =>
			(metadata.configuration["delta.columnMapping.mode"] ?? "none") !== "none",
		legacy: { reader: 2, writer: 5 },
	},
	identityColumns: {
		...WRITER,
		write: "inactive",
		active: inSchema("delta.identity."),
		legacy: { reader: 1, writer: 6 },
		because: "values of identity columns have to be given out by one writer",
	},
	deletionVectors: {
		...BOTH,
		write: "always",
		active: property("delta.enableDeletionVectors"),
	},
	rowTracking: {
		...WRITER,
		write: "always",
		active: property("delta.enableRowTracking"),
		needs: ["domainMetadata"],
	},
	timestampNtz: {
		...BOTH,
		write: "always",
		active: hasType((type) => type === "timestamp_ntz"),
	},
	domainMetadata: { ...WRITER, write: "always" },
	v2Checkpoint: {
		...BOTH,
		write: "always",
		active: property("delta.checkpointPolicy", "v2"),
	},
	clustering: { ...WRITER, write: "always", needs: ["domainMetadata"] },
	vacuumProtocolCheck: { ...BOTH, write: "always" },
	inCommitTimestamp: {
		...WRITER,
		write: "always",
		active: property("delta.enableInCommitTimestamps"),
	},
	typeWidening: {
		...BOTH,
		write: "always",
		active: property(TYPE_WIDENING),
	},
	variantType: {
		...BOTH,
		write: "always",
		active: hasType((type) => type === "variant"),
	},
	variantShredding: {
		...BOTH,
		write: "inactive",
		active: property("delta.enableVariantShredding"),
		needs: ["variantType"],
		because: "variants are written unshredded only",
	},
	allowColumnDefaults: {
		...WRITER,
		write: "always",
		active: inSchema("CURRENT_DEFAULT"),
	},
	checkpointProtection: { ...WRITER, write: "always" },
	icebergCompatV1: {
		...WRITER,
		write: "inactive",
		active: property("delta.enableIcebergCompatV1"),
		needs: ["columnMapping"],
		because: "files for Iceberg readers need partition columns in them",
	},
	icebergCompatV2: {
		...WRITER,
		write: "inactive",
		active: property("delta.enableIcebergCompatV2"),
		needs: ["columnMapping"],
		because: "files for Iceberg readers need nested field ids",
	},
	icebergCompatV3: {
		...WRITER,
		write: "inactive",
		active: property("delta.enableIcebergCompatV3"),
		needs: ["columnMapping"],
		because: "files for Iceberg readers need nested field ids",
	},
	icebergWriterCompatV1: {
		...WRITER,
		write: "inactive",
		active: property("delta.enableIcebergWriterCompatV1"),
	},
	icebergWriterCompatV3: {
		...WRITER,
		write: "inactive",
		active: property("delta.enableIcebergWriterCompatV3"),
	},
	materializePartitionColumns: {
		...WRITER,
		write: "inactive",
		active: property("delta.enableMaterializePartitionColumnsFeature"),
		because: "partition columns are not written into data files",
	},
	collations: {
		...WRITER,
		write: "inactive",
		active: inSchema("__COLLATIONS"),
		because: "statistics by collation are not written",
	},
	coordinatedCommits: {
		...WRITER,
		write: "inactive",
		active: (metadata) =>
			metadata.configuration["delta.coordinatedCommits.commitCoordinator"] !==
			undefined,
		because: "commits would have to go through a coordinator",
	},
	catalogManaged: {
		...REFUSED,
		because:
			"its commits are ratified by a catalog, which has to be asked first",
	},
	geospatial: { ...REFUSED, because: "geometry has no column type here" },
	timestampNanos: {
		...REFUSED,
		because: "timestamps have microseconds here",
	},
	adaptiveMetadata: {
		...REFUSED,
		because: "its metadata is a tree of manifests, not a log",
	},
	redirectReaderWriter: {
		...REFUSED,
		because: "the table has moved; open it at its new place",
	},
	redirectWriterOnly: {
		...WRITER,
		write: "never",
		because: "the table has moved; write to its new place",
	},
};

/** Names under which features were released before they were accepted, or by mistake. */
const ALIASES: Readonly<Record<string, string>> = {
	timestampWithoutTimezone: "timestampNtz",
	catalogOwned: "catalogManaged",
};

/** The row of a feature under any of its names. */
export function featureOf(name: string): Feature | undefined {
	const stable = name.replace(/-(preview|dev)$/, "");
	const known = Object.hasOwn(ALIASES, stable) ? ALIASES[stable] : stable;
	return known !== undefined && Object.hasOwn(FEATURES, known)
		? FEATURES[known]
		: undefined;
}

/** The writer features that a protocol implies or lists. */
export function writerFeatures(protocol: Protocol): readonly string[] {
	if (protocol.minWriterVersion >= 7) return protocol.writerFeatures ?? [];
	return Object.entries(FEATURES)
		.filter(
			([, { legacy }]) =>
				legacy !== undefined && legacy.writer <= protocol.minWriterVersion,
		)
		.map(([name]) => name);
}

/** The reader features that a protocol implies or lists. */
export function readerFeatures(protocol: Protocol): readonly string[] {
	if (protocol.minReaderVersion >= 3) return protocol.readerFeatures ?? [];
	return protocol.minReaderVersion === 2 ? ["columnMapping"] : [];
}

/**
 * @throws DeltaError DELTA_UNSUPPORTED_READER naming the version or the features, DELTA_LOG_INVALID for
 * a protocol that breaks its own rules
 */
export function checkReadable(protocol: Protocol, url: string): void {
	checkProtocol(protocol, url);
	if (protocol.minReaderVersion > 3)
		throw new DeltaError(
			"DELTA_UNSUPPORTED_READER",
			`${url} needs reader version ${protocol.minReaderVersion}; this engine reads up to 3`,
		);
	const refused = (protocol.readerFeatures ?? []).filter(
		(name) => !(featureOf(name)?.read ?? false),
	);
	if (refused.length > 0)
		throw new DeltaError(
			"DELTA_UNSUPPORTED_READER",
			`${url} needs reader features that this engine does not have: ${named(refused)}`,
		);
}

/** @throws DeltaError DELTA_UNSUPPORTED_WRITER naming the features in use, and as `checkReadable` */
export function checkWritable(
	protocol: Protocol,
	metadata: Metadata,
	url: string,
): void {
	checkReadable(protocol, url);
	if (protocol.minWriterVersion > 7)
		throw new DeltaError(
			"DELTA_UNSUPPORTED_WRITER",
			`${url} needs writer version ${protocol.minWriterVersion}; this engine writes up to 7`,
		);
	const refused = writerFeatures(protocol).filter((name) => {
		const feature = featureOf(name);
		return feature?.write === "inactive"
			? feature.active?.(metadata) !== false
			: feature?.write !== "always";
	});
	if (refused.length > 0)
		throw new DeltaError(
			"DELTA_UNSUPPORTED_WRITER",
			`${url} uses writer features that this engine does not write: ${named(refused)}`,
		);
}

/** The rules that a protocol action has to keep (PROTOCOL.md, "Protocol Evolution"). */
function checkProtocol(protocol: Protocol, url: string): void {
	const { minReaderVersion, minWriterVersion } = protocol;
	const invalid = (what: string): DeltaError =>
		new DeltaError(
			"DELTA_LOG_INVALID",
			`${url} has the protocol (${minReaderVersion}, ${minWriterVersion}), which ${what}`,
		);
	for (const version of [minReaderVersion, minWriterVersion])
		if (!Number.isInteger(version) || version < 1)
			throw invalid("has a version that is no positive whole number");
	// What comes after version 3 and 7 has rules of its own.
	if (minReaderVersion > 3 || minWriterVersion > 7) return;
	if (minReaderVersion === 3 && minWriterVersion !== 7)
		throw invalid("has reader features without writer version 7");
	if (minReaderVersion === 3 && protocol.readerFeatures === undefined)
		throw invalid("has no readerFeatures, which reader version 3 needs");
	if (minWriterVersion === 7 && protocol.writerFeatures === undefined)
		throw invalid("has no writerFeatures, which writer version 7 needs");
	if (minReaderVersion < 3 && (protocol.readerFeatures?.length ?? 0) > 0)
		throw invalid("has readerFeatures, which only reader version 3 may have");
	if (minWriterVersion < 7 && (protocol.writerFeatures?.length ?? 0) > 0)
		throw invalid("has writerFeatures, which only writer version 7 may have");
	const alone = (protocol.readerFeatures ?? []).filter(
		(name) => !(protocol.writerFeatures ?? []).includes(name),
	);
	if (alone.length > 0)
		throw invalid(`has ${alone.join(", ")} for readers and not for writers`);
}

function named(names: readonly string[]): string {
	return names
		.map((name) => {
			const because = featureOf(name)?.because;
			return because === undefined ? name : `${name} (${because})`;
		})
		.join(", ");
}

function containsType(
	type: DataType,
	wanted: (type: string) => boolean,
): boolean {
	if (typeof type === "string") return wanted(type);
	switch (type.type) {
		case "struct":
			return type.fields.some((field) => containsType(field.type, wanted));
		case "array":
			return containsType(type.elementType, wanted);
		case "map":
			return (
				containsType(type.keyType, wanted) ||
				containsType(type.valueType, wanted)
			);
	}
}
