import type { DomainMetadata } from "./actions.ts";
import { DeltaError } from "./errors.ts";
import type { KeyedMap } from "./keyed-map.ts";

export const CLUSTERING_DOMAIN = "delta.clustering";

/**
 * The columns that a table is clustered by, by physical name (PROTOCOL.md, "Clustered Table"). The
 * example of the protocol's text lists names, writers list paths; both are read.
 * @throws DeltaError DELTA_LOG_INVALID when the domain holds neither
 */
export function clusteringColumns(
	domains: Pick<KeyedMap<DomainMetadata>, "get"> | undefined,
): readonly (readonly string[])[] {
	const domain = domains?.get(CLUSTERING_DOMAIN);
	if (domain === undefined || domain.removed) return [];
	const invalid = (cause?: unknown): DeltaError =>
		new DeltaError(
			"DELTA_LOG_INVALID",
			`the domain ${CLUSTERING_DOMAIN} holds ${domain.configuration}, which lists no columns`,
			{ cause },
		);
	let columns: unknown;
	try {
		({ clusteringColumns: columns } = JSON.parse(domain.configuration) as {
			clusteringColumns?: unknown;
		});
	} catch (cause) {
		throw invalid(cause);
	}
	if (!Array.isArray(columns)) throw invalid();
	return columns.map((column: unknown) => {
		const path = Array.isArray(column) ? column : [column];
		if (!path.every((part): part is string => typeof part === "string"))
			throw invalid();
		return path;
	});
}
