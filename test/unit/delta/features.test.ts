import { expect, test } from "vitest";
import { field, struct } from "../../../src/columnar/types.ts";
import type { Metadata } from "../../../src/delta/actions.ts";
import { FEATURES, featureOf } from "../../../src/delta/features.ts";
import { readTable } from "../../../src/delta/scan.ts";
import { loadSnapshot } from "../../../src/delta/snapshot.ts";
import { append } from "../../../src/delta/write.ts";
import { batchOf } from "../../support/batch.ts";
import { store } from "./scanned.ts";
import { type MemoryEngine, memoryEngine } from "./table.ts";

const ID = field("id", "long", {
	metadata: {
		"delta.columnMapping.id": 1,
		"delta.columnMapping.physicalName": "col-1",
	},
});

interface Use {
	readonly configuration?: Readonly<Record<string, string>>;
	/** Of a second column. */
	readonly metadata?: Readonly<Record<string, unknown>>;
	readonly type?: string;
}

const on = (property: string): Use => ({
	configuration: { [property]: "true" },
});

/** How a table makes use of a feature that is not in use without. */
const USES: Readonly<Record<string, Use>> = {
	appendOnly: on("delta.appendOnly"),
	invariants: {
		metadata: {
			"delta.invariants": JSON.stringify({
				expression: { expression: "id > 0" },
			}),
		},
	},
	checkConstraints: { configuration: { "delta.constraints.some": "id > 0" } },
	changeDataFeed: on("delta.enableChangeDataFeed"),
	generatedColumns: {
		type: "long",
		metadata: { "delta.generationExpression": "id + 1" },
	},
	columnMapping: {
		configuration: {
			"delta.columnMapping.mode": "name",
			"delta.columnMapping.maxColumnId": "2",
		},
	},
	identityColumns: {
		type: "long",
		metadata: { "delta.identity.start": 1, "delta.identity.step": 1 },
	},
	deletionVectors: on("delta.enableDeletionVectors"),
	rowTracking: {
		configuration: {
			"delta.enableRowTracking": "true",
			"delta.rowTracking.materializedRowIdColumnName": "_row-id",
			"delta.rowTracking.materializedRowCommitVersionColumnName":
				"_row-version",
		},
	},
	timestampNtz: { type: "timestamp_ntz" },
	v2Checkpoint: { configuration: { "delta.checkpointPolicy": "v2" } },
	inCommitTimestamp: on("delta.enableInCommitTimestamps"),
	typeWidening: on("delta.enableTypeWidening"),
	variantType: { type: "variant" },
	variantShredding: on("delta.enableVariantShredding"),
	allowColumnDefaults: { metadata: { CURRENT_DEFAULT: "'x'" } },
	icebergCompatV1: on("delta.enableIcebergCompatV1"),
	icebergCompatV2: on("delta.enableIcebergCompatV2"),
	icebergCompatV3: on("delta.enableIcebergCompatV3"),
	icebergWriterCompatV1: on("delta.enableIcebergWriterCompatV1"),
	icebergWriterCompatV3: on("delta.enableIcebergWriterCompatV3"),
	materializePartitionColumns: on(
		"delta.enableMaterializePartitionColumnsFeature",
	),
	collations: { metadata: { __COLLATIONS: { name: "ICU.de" } } },
	coordinatedCommits: {
		configuration: { "delta.coordinatedCommits.commitCoordinator": "dynamodb" },
	},
};

/** A table whose protocol lists the feature and what that needs. */
async function tableWith(
	name: string,
	use: Use | undefined,
): Promise<{ engine: MemoryEngine; metadata: Metadata }> {
	const engine = memoryEngine();
	const needed = [name, ...(featureOf(name)?.needs ?? [])];
	const readers = needed.filter((each) => featureOf(each)?.reader !== false);
	const schema = {
		type: "struct",
		fields: [
			ID,
			{
				name: "more",
				type: use?.type ?? "string",
				nullable: true,
				metadata: {
					...use?.metadata,
					"delta.columnMapping.id": 2,
					"delta.columnMapping.physicalName": "col-2",
				},
			},
		],
	};
	const metadata: Metadata = {
		id: "8f1c4b0e-0000-4000-8000-000000000001",
		format: { provider: "parquet", options: {} },
		schemaString: JSON.stringify(schema),
		partitionColumns: [],
		createdTime: 1,
		configuration: use?.configuration ?? {},
	};
	const actions = [
		{ commitInfo: { inCommitTimestamp: 1000, timestamp: 1000 } },
		{
			protocol: {
				minReaderVersion: readers.length > 0 ? 3 : 1,
				minWriterVersion: 7,
				...(readers.length > 0 ? { readerFeatures: readers } : {}),
				writerFeatures: needed,
			},
		},
		{ metaData: metadata },
	];
	await engine.store.put(
		"_delta_log/00000000000000000000.json",
		new TextEncoder().encode(
			actions.map((action) => JSON.stringify(action)).join("\n"),
		),
	);
	return { engine, metadata };
}

/** `yes`, or the code with which a table is refused. */
async function outcome(engine: MemoryEngine, name: string): Promise<string> {
	try {
		const snapshot = await loadSnapshot(engine);
		if (snapshot === undefined) throw new Error("no table");
		const rows = batchOf(struct(field("id", "long")), [{ id: 7 }]);
		const after = await append(engine, snapshot, [rows]);
		let count = 0;
		for await (const batch of readTable(engine, after)) count += batch.length;
		expect(count).toBe(1);
		return "yes";
	} catch (error) {
		if (!(error instanceof Error && "code" in error)) throw error;
		expect(error.message).toContain(name);
		return String(error.code);
	}
}

const READER = "DELTA_UNSUPPORTED_READER";
const WRITER = "DELTA_UNSUPPORTED_WRITER";

test.each(Object.entries(FEATURES))(
	"%s: a table that lists it is written, or refused by its name",
	async (name, { read, write }) => {
		const expected = !read ? READER : write === "never" ? WRITER : "yes";
		const { engine } = await tableWith(name, undefined);
		expect(await outcome(engine, name)).toBe(expected);
	},
);

test.each(Object.entries(FEATURES).filter(([, { active }]) => active))(
	"%s: a table that makes use of it is written, or refused by its name",
	async (name, { active, write }) => {
		const { engine, metadata } = await tableWith(name, USES[name]);
		expect(active?.(metadata)).toBe(true);
		expect(
			active?.({ ...metadata, configuration: {}, schemaString: "{}" }),
		).toBe(false);
		expect(await outcome(engine, name)).toBe(
			write === "always" ? "yes" : WRITER,
		);
	},
);

test.each([
	["variantType-preview", "yes"],
	["typeWidening-preview", "yes"],
	["timestampWithoutTimezone", "yes"],
	["catalogOwned-preview", READER],
	["warpDrive", READER],
])(
	"%s: an older or unknown name is known for what it is",
	async (name, expected) => {
		const { engine } = await tableWith(name, undefined);
		expect(await outcome(engine, name)).toBe(expected);
	},
);

test("an unknown feature that binds writers only leaves a table to be read", async () => {
	const { engine } = await tableWith("appendOnly", undefined);
	const commit = "_delta_log/00000000000000000000.json";
	const text = new TextDecoder().decode(await engine.store.get(commit));
	await engine.store.put(
		commit,
		new TextEncoder().encode(text.replace('"appendOnly"', '"warpDrive"')),
	);
	expect(await loadSnapshot(engine)).toBeDefined();
	expect(await outcome(engine, "warpDrive")).toBe(WRITER);
});

test("a shredded variant is refused, and never read as what is left of it", async () => {
	const { engine } = await tableWith("variantShredding", { type: "variant" });
	const snapshot = await loadSnapshot(engine);
	if (snapshot === undefined) throw new Error("no table");
	const shredded = struct(
		field("id", "long"),
		field(
			"more",
			struct(
				field("metadata", "binary"),
				field("value", "binary"),
				field("typed_value", "long"),
			),
		),
	);
	const add = await store(engine, "shredded.parquet", shredded, [
		{
			id: 1,
			more: { metadata: Uint8Array.of(1, 0, 0), value: null, typed_value: 7 },
		},
	]);
	const read = async (columns: string[]): Promise<number> => {
		let rows = 0;
		for await (const batch of readTable(engine, snapshot, {
			files: [add],
			columns,
		}))
			rows += batch.length;
		return rows;
	};
	expect(await read(["id"])).toBe(1);
	await expect(read(["more"])).rejects.toMatchObject({
		code: "PARQUET_UNSUPPORTED",
		message: expect.stringMatching(/shredded\.parquet: .*more is shredded/),
	});
});
