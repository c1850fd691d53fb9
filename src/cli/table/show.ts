import type {
	Metadata,
	Protocol,
	SetTransaction,
} from "../../delta/actions.ts";
import { tableConstraints } from "../../delta/constraints.ts";
import {
	checkWritable,
	featureOf,
	readerFeatures,
	writerFeatures,
} from "../../delta/features.ts";
import { readLastCheckpoint } from "../../delta/last-checkpoint.ts";
import { totalsOf } from "../../delta/snapshot.ts";
import type { Summary } from "../../delta/summary.ts";
import { messageOf, TributaryError } from "../../errors.ts";
import { committedAt } from "../../maintain/figures.ts";
import { openSummary, openTable, type TableContext } from "./open.ts";

/** What there is to say of a table; of its newest version, without reading the list of its files. */
export async function showTable(context: TableContext): Promise<void> {
	const { engine, flags, out } = context;
	const summary = await summaryOf(context);
	const { metadata, protocol } = summary;
	const shown = {
		url: summary.url,
		version: summary.version,
		committed: (await committedAt(engine, summary.version)) ?? null,
		id: metadata.id,
		name: metadata.name ?? null,
		description: metadata.description ?? null,
		files: summary.totals.files,
		bytes: summary.totals.bytes,
		partitionColumns: metadata.partitionColumns,
		configuration: metadata.configuration,
		protocol,
		features: featuresOf(protocol, metadata),
		...writable(summary),
		checkpoint: (await readLastCheckpoint(engine)) ?? null,
		positions: summary.txns.map(({ appId, version }) => ({ appId, version })),
	};
	if (flags.json === true) {
		out.write(`${JSON.stringify(shown)}\n`);
		return;
	}
	for (const [name, value] of Object.entries({
		...shown,
		features: shown.features.map(featureText).join(", ") || "none",
	}))
		out.write(
			`${name.padEnd(17)} ${typeof value === "object" && value !== null ? JSON.stringify(value) : (value ?? "-")}\n`,
		);
}

async function summaryOf(context: TableContext): Promise<Summary> {
	const { version, timestamp } = context.flags;
	if (version === undefined && timestamp === undefined)
		return await openSummary(context);
	const snapshot = await openTable(context);
	return {
		...snapshot,
		txns: [...snapshot.txns.values()] satisfies SetTransaction[],
		totals: totalsOf(snapshot),
	};
}

interface ShownFeature {
	readonly name: string;
	/** It binds readers too. */
	readonly reader: boolean;
	/** The table's metadata makes use of it; `null` where that needs no metadata. */
	readonly active: boolean | null;
	/** What this engine does with tables that have it. */
	readonly read: boolean;
	readonly write: "always" | "inactive" | "never";
}

function featuresOf(protocol: Protocol, metadata: Metadata): ShownFeature[] {
	const readers = readerFeatures(protocol);
	const names = new Set([...writerFeatures(protocol), ...readers]);
	return [...names].sort().map((name) => {
		const feature = featureOf(name);
		return {
			name,
			reader: readers.includes(name),
			active: feature?.active?.(metadata) ?? null,
			read: feature?.read ?? !readers.includes(name),
			write: feature?.write ?? "never",
		};
	});
}

function featureText({ name, active }: ShownFeature): string {
	return active === false ? `${name} (not in use)` : name;
}

/** Whether this engine writes rows to the table, and if not, why. */
function writable({ protocol, metadata, schema, url }: Summary): {
	readonly writable: boolean;
	readonly because: string | null;
} {
	try {
		checkWritable(protocol, metadata, url);
		tableConstraints(metadata, schema);
		return { writable: true, because: null };
	} catch (error) {
		if (!(error instanceof TributaryError)) throw error;
		return { writable: false, because: messageOf(error) };
	}
}
