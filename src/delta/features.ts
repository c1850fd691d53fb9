import type { Metadata, Protocol } from "./actions.ts";
import { DeltaError } from "./errors.ts";

interface Feature {
	/** It binds readers too, not writers alone. */
	readonly reader: boolean;
	readonly read: boolean;
	/**
	 * `always`: tables with it are written. `inactive`: only while the table's metadata does not use
	 * it. `never`: refused.
	 */
	readonly write: "always" | "inactive" | "never";
	/** Whether the metadata makes use of the feature. */
	readonly active?: (metadata: Metadata) => boolean;
}

const property = (name: string) => (metadata: Metadata) =>
	metadata.configuration[name] === "true";
const inSchema = (text: string) => (metadata: Metadata) =>
	metadata.schemaString.includes(text);

/** One row per table feature of PROTOCOL.md that this engine knows; any other is refused. */
export const FEATURES: Readonly<Record<string, Feature>> = {
	appendOnly: {
		reader: false,
		read: true,
		write: "inactive",
		active: property("delta.appendOnly"),
	},
	invariants: {
		reader: false,
		read: true,
		write: "inactive",
		active: inSchema("delta.invariants"),
	},
	checkConstraints: {
		reader: false,
		read: true,
		write: "inactive",
		active: (metadata) =>
			Object.keys(metadata.configuration).some((name) =>
				name.startsWith("delta.constraints."),
			),
	},
	changeDataFeed: {
		reader: false,
		read: true,
		write: "inactive",
		active: property("delta.enableChangeDataFeed"),
	},
	generatedColumns: {
		reader: false,
		read: true,
		write: "inactive",
		active: inSchema("delta.generationExpression"),
	},
	identityColumns: {
		reader: false,
		read: true,
		write: "inactive",
		active: inSchema("delta.identity."),
	},
	allowColumnDefaults: {
		reader: false,
		read: true,
		write: "inactive",
		active: inSchema("CURRENT_DEFAULT"),
	},
	columnMapping: {
		reader: true,
		read: true,
		write: "inactive",
		active: (metadata) =>
			(metadata.configuration["delta.columnMapping.mode"] ?? "none") !== "none",
	},
	domainMetadata: { reader: false, read: true, write: "always" },
	vacuumProtocolCheck: { reader: true, read: true, write: "always" },
	deletionVectors: { reader: true, read: true, write: "always" },
	timestampNtz: { reader: true, read: true, write: "always" },
	typeWidening: { reader: true, read: true, write: "always" },
};

const LEGACY_WRITER: readonly (readonly [number, readonly string[]])[] = [
	[2, ["appendOnly", "invariants"]],
	[3, ["checkConstraints"]],
	[4, ["changeDataFeed", "generatedColumns"]],
	[5, ["columnMapping"]],
	[6, ["identityColumns"]],
];

/** The writer features that a protocol implies or lists. */
export function writerFeatures(protocol: Protocol): readonly string[] {
	if (protocol.minWriterVersion >= 7) return protocol.writerFeatures ?? [];
	return LEGACY_WRITER.filter(
		([version]) => version <= protocol.minWriterVersion,
	).flatMap(([, names]) => names);
}

/** @throws DeltaError DELTA_UNSUPPORTED_READER naming the version or the features */
export function checkReadable(protocol: Protocol, url: string): void {
	if (protocol.minReaderVersion > 3)
		throw new DeltaError(
			"DELTA_UNSUPPORTED_READER",
			`${url} needs reader version ${protocol.minReaderVersion}; this engine reads up to 3`,
		);
	const unknown = (protocol.readerFeatures ?? []).filter(
		(name) => !(FEATURES[name]?.read ?? false),
	);
	if (unknown.length > 0)
		throw new DeltaError(
			"DELTA_UNSUPPORTED_READER",
			`${url} needs reader features that this engine does not have: ${unknown.join(", ")}`,
		);
}

/** @throws DeltaError DELTA_UNSUPPORTED_WRITER naming the features in use */
export function checkWritable(
	protocol: Protocol,
	metadata: Metadata,
	url: string,
): void {
	if (protocol.minWriterVersion > 7)
		throw new DeltaError(
			"DELTA_UNSUPPORTED_WRITER",
			`${url} needs writer version ${protocol.minWriterVersion}; this engine writes up to 7`,
		);
	const refused = writerFeatures(protocol).filter(
		(name) => !writes(name, metadata),
	);
	if (refused.length > 0)
		throw new DeltaError(
			"DELTA_UNSUPPORTED_WRITER",
			`${url} uses writer features that this engine does not write: ${refused.join(", ")}`,
		);
}

function writes(name: string, metadata: Metadata): boolean {
	const feature = FEATURES[name];
	if (feature?.write === "inactive")
		return feature.active?.(metadata) === false;
	return feature?.write === "always";
}
