import { intervalMs } from "../../delta/interval.ts";
import { ConfigError } from "../../errors.ts";
import { suggestion } from "./nearest.ts";

type Kind = "boolean" | "count" | "interval" | "text" | readonly string[];

/** Delta's table properties that a user sets (PROTOCOL.md and delta.io, "Table properties"). */
const PROPERTIES: Readonly<Record<string, Kind>> = {
	"delta.appendOnly": "boolean",
	"delta.autoOptimize.autoCompact": "text",
	"delta.autoOptimize.optimizeWrite": "boolean",
	"delta.checkpoint.writeStatsAsJson": "boolean",
	"delta.checkpoint.writeStatsAsStruct": "boolean",
	"delta.checkpointInterval": "count",
	"delta.checkpointPolicy": ["classic", "v2"],
	"delta.columnMapping.mode": ["none", "name", "id"],
	"delta.compatibility.symlinkFormatManifest.enabled": "boolean",
	"delta.dataSkippingNumIndexedCols": "text",
	"delta.dataSkippingStatsColumns": "text",
	"delta.dataSkippingStringPrefixLength": "count",
	"delta.deletedFileRetentionDuration": "interval",
	"delta.enableChangeDataFeed": "boolean",
	"delta.enableDeletionVectors": "boolean",
	"delta.enableExpiredLogCleanup": "boolean",
	"delta.enableIcebergCompatV1": "boolean",
	"delta.enableIcebergCompatV2": "boolean",
	"delta.enableIcebergCompatV3": "boolean",
	"delta.enableInCommitTimestamps": "boolean",
	"delta.enableRowTracking": "boolean",
	"delta.enableTypeWidening": "boolean",
	"delta.enableVariantShredding": "boolean",
	"delta.isolationLevel": ["Serializable", "WriteSerializable"],
	"delta.logRetentionDuration": "interval",
	"delta.parquet.compression.codec": "text",
	"delta.parquet.format.version": "text",
	"delta.randomizeFilePrefixes": "boolean",
	"delta.randomPrefixLength": "count",
	"delta.sampleRetentionDuration": "interval",
	"delta.setTransactionRetentionDuration": "interval",
	"delta.targetFileSize": "text",
	"delta.tuneFileSizesForRewrites": "boolean",
};

const CONSTRAINT = "delta.constraints.";
const FEATURE = "delta.feature.";

export interface Properties {
	readonly configuration: Readonly<Record<string, string>>;
	/** Of `delta.feature.NAME=supported`. */
	readonly features: readonly string[];
}

/**
 * The properties of `${name} key=value` flags. Names below `delta.` have to be known, which a slip
 * of the pen is not; any other name is the user's own.
 * @throws ConfigError
 */
export function parseProperties(
	flags: readonly string[],
	name = "--property",
): Properties {
	const configuration: Record<string, string> = {};
	const features: string[] = [];
	for (const flag of flags) {
		const [, key = "", value = ""] = /^([^=\s]+)=(.*)$/s.exec(flag) ?? [];
		if (key === "")
			throw new ConfigError(
				`${name} ${flag} is no key=value; write it like delta.appendOnly=true`,
			);
		if (key in configuration)
			throw new ConfigError(`${name} ${key} is given twice; give it once`);
		if (key.startsWith(FEATURE)) {
			if (value !== "supported")
				throw new ConfigError(
					`${name} ${flag}: a feature can only be supported; write ${key}=supported`,
				);
			features.push(key.slice(FEATURE.length));
			continue;
		}
		if (key.startsWith("delta.") && !key.startsWith(CONSTRAINT))
			checkProperty(name, key, value);
		configuration[key] = value;
	}
	return { configuration, features };
}

/**
 * The properties of `--set key=value` flags for a table that is there.
 * @throws ConfigError
 */
export function parseChanges(
	set: readonly string[],
	unset: readonly string[],
	before: Readonly<Record<string, string>>,
): Readonly<Record<string, string | undefined>> {
	const { configuration, features } = parseProperties(set, "--set");
	const [feature] = features;
	if (feature !== undefined)
		throw new ConfigError(
			`--set ${FEATURE}${feature}: features come with what uses them; set the property that does`,
		);
	const changes: Record<string, string | undefined> = { ...configuration };
	for (const key of Object.keys(configuration))
		if (key.startsWith(CONSTRAINT))
			throw new ConfigError(
				`--set ${key}: rows that are there have to be checked; use --add-constraint '${key.slice(CONSTRAINT.length)}: EXPR'`,
			);
	for (const key of unset) {
		if (key in changes)
			throw new ConfigError(
				`--set and --unset both name ${key}; leave one out`,
			);
		if (before[key] === undefined)
			throw new ConfigError(
				`--unset ${key}: the table has no such property${suggestion(key, Object.keys(before))}`,
			);
		if (key.startsWith("delta.") && !Object.hasOwn(PROPERTIES, key))
			throw new ConfigError(
				key.startsWith(CONSTRAINT)
					? `--unset ${key}: use --drop-constraint ${key.slice(CONSTRAINT.length)}`
					: `--unset ${key}: Delta itself keeps that property; leave it`,
			);
		changes[key] = undefined;
	}
	return changes;
}

function checkProperty(name: string, key: string, value: string): void {
	const kind = Object.hasOwn(PROPERTIES, key) ? PROPERTIES[key] : undefined;
	if (kind === undefined)
		throw new ConfigError(
			/^delta\.min(Reader|Writer)Version$/.test(key)
				? `${name} ${key}: the versions follow from what the table uses; name features by delta.feature.NAME=supported`
				: `${name} ${key} is no property of Delta that can be set${suggestion(key, Object.keys(PROPERTIES))}`,
		);
	const wanted = wantedValue(kind, value);
	if (wanted !== undefined)
		throw new ConfigError(`${name} ${key}=${value}: it has to be ${wanted}`);
}

/** What a value has to be that is not so. */
function wantedValue(kind: Kind, value: string): string | undefined {
	if (typeof kind !== "string")
		return kind.includes(value) ? undefined : kind.join(" or ");
	switch (kind) {
		case "boolean":
			return value === "true" || value === "false"
				? undefined
				: "true or false";
		case "count":
			return /^[1-9]\d{0,8}$/.test(value)
				? undefined
				: "a whole number from 1 on";
		case "interval":
			return intervalMs(value) === undefined
				? "an interval such as interval 30 days"
				: undefined;
		case "text":
			return value === "" ? "not empty" : undefined;
	}
}
