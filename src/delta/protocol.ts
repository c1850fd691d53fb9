import type { Metadata, Protocol } from "./actions.ts";
import { FEATURES, readerFeatures, writerFeatures } from "./features.ts";

/**
 * The least protocol that a table's schema and properties need, and `more` features by name: old
 * versions where they do, features where those are needed.
 */
export function protocolFor(
	metadata: Metadata,
	more: readonly string[] = [],
): Protocol {
	return (
		upgradedProtocol(
			{ minReaderVersion: 1, minWriterVersion: 2 },
			metadata,
			more,
		) ?? { minReaderVersion: 1, minWriterVersion: 2 }
	);
}

/**
 * The protocol with what changed metadata needs beyond it; `undefined` when it has all of that. What an
 * old version implied is listed once features are: it may be in use (PROTOCOL.md, "Table Features").
 */
export function upgradedProtocol(
	protocol: Protocol,
	metadata: Metadata,
	more: readonly string[] = [],
): Protocol | undefined {
	const wanted = withNeeds([...activeFeatures(metadata), ...more]);
	const writers = writerFeatures(protocol);
	const readers = readerFeatures(protocol);
	const missing = wanted.filter(
		(name) =>
			!writers.includes(name) ||
			(FEATURES[name]?.reader === true && !readers.includes(name)),
	);
	if (missing.length === 0) return undefined;
	const legacy = missing.map((name) => FEATURES[name]?.legacy);
	if (
		protocol.minWriterVersion < 7 &&
		legacy.every((versions) => versions !== undefined)
	)
		return {
			minReaderVersion: Math.max(
				protocol.minReaderVersion,
				...legacy.map(({ reader }) => reader),
			),
			minWriterVersion: Math.max(
				protocol.minWriterVersion,
				...legacy.map(({ writer }) => writer),
			),
		};
	const allWriters = [...new Set([...writers, ...missing])];
	const allReaders = [
		...new Set([
			...readers,
			...missing.filter((name) => FEATURES[name]?.reader === true),
		]),
	];
	if (allReaders.length === 0)
		return {
			minReaderVersion: 1,
			minWriterVersion: 7,
			writerFeatures: allWriters,
		};
	return {
		minReaderVersion: 3,
		minWriterVersion: 7,
		readerFeatures: allReaders,
		writerFeatures: allWriters,
	};
}

/** Features that the metadata makes use of. */
function activeFeatures(metadata: Metadata): string[] {
	return Object.entries(FEATURES)
		.filter(([, { active }]) => active?.(metadata) === true)
		.map(([name]) => name);
}

function withNeeds(names: readonly string[]): string[] {
	const all = new Set<string>();
	const visit = (name: string): void => {
		if (all.has(name)) return;
		all.add(name);
		for (const needed of FEATURES[name]?.needs ?? []) visit(needed);
	};
	for (const name of names) visit(name);
	return [...all];
}
