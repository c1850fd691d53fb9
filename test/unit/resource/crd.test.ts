import { expect, test } from "vitest";
import { z } from "zod";
import { cdcPipelineSpec } from "../../../src/resource/cdc-pipeline.ts";
import {
	type JsonSchema,
	structuralSchema,
} from "../../../src/resource/crd.ts";
import { deltaTableSpec } from "../../../src/resource/delta-table.ts";
import { CDC_PIPELINE, KINDS } from "../../../src/resource/kinds.ts";
import {
	DELTA_TABLE,
	TABLE_OPERATION,
} from "../../../src/resource/table-kinds.ts";
import { tableOperationSpec } from "../../../src/resource/table-operation.ts";

const minimal = {
	source: {
		type: "mongodb",
		connectionSecretRef: { name: "m", key: "uri" },
		include: ["shop.orders"],
	},
	kafka: {
		bootstrapServers: ["kafka:9092"],
		connectUrl: "http://connect:8083",
		topicPrefix: "shop",
	},
	sink: { location: "s3://lake/shop" },
};

/** What the API server does with defaults: fill in, then go on inside what it filled in. */
function withDefaults(schema: JsonSchema, value: unknown): unknown {
	if (schema.properties === undefined || typeof value !== "object")
		return value;
	const out: Record<string, unknown> = { ...value };
	for (const [name, property] of Object.entries(schema.properties)) {
		if (out[name] === undefined && property.default !== undefined)
			out[name] = structuredClone(property.default);
		if (out[name] !== undefined) out[name] = withDefaults(property, out[name]);
	}
	return out;
}

/** The same inside lists. */
function withItems(schema: JsonSchema, value: unknown): unknown {
	if (Array.isArray(value) && schema.items !== undefined) {
		const { items } = schema;
		return value.map((item) => withDefaults(items, item));
	}
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([name, inner]) => [
			name,
			withItems(schema.properties?.[name] ?? {}, inner),
		]),
	);
}

function* walk(
	schema: JsonSchema,
	path = "spec",
): Generator<[string, JsonSchema]> {
	yield [path, schema];
	for (const [name, property] of Object.entries(schema.properties ?? {}))
		yield* walk(property, `${path}.${name}`);
	if (schema.items !== undefined) yield* walk(schema.items, `${path}[]`);
}

const table = {
	location: "s3://lake/rates",
	schema: { columns: [{ name: "id", type: "long" }] },
	resources: {},
};
const operation = {
	tableRef: { name: "rates" },
	type: "optimize",
	optimize: {},
};

test.each<[string, z.ZodType, object]>([
	["CdcPipeline", cdcPipelineSpec, minimal],
	["DeltaTable", deltaTableSpec, table],
	["TableOperation", tableOperationSpec, operation],
])(
	"the API server's defaults of a %s are those of the program",
	(_, spec, given) => {
		expect(
			withDefaults(
				structuralSchema(spec),
				withItems(structuralSchema(spec), given),
			),
		).toEqual(spec.parse(given));
	},
);

test("a structural schema has a type at every node and no additionalProperties beside properties", () => {
	const wrong = KINDS.flatMap(({ spec, status }) => [spec, status])
		.flatMap((type) => [...walk(structuralSchema(type))])
		.filter(
			([, schema]) =>
				schema.type === undefined ||
				(schema.properties !== undefined &&
					schema.additionalProperties !== undefined),
		)
		.map(([path]) => path);
	expect(wrong).toEqual([]);
});

test.each(KINDS.map((kind) => [kind.kind, kind] as const))(
	"kubectl explain has a field of %s of which it says nothing",
	(_, kind) => {
		const mute = [
			...fields(structuralSchema(kind.spec), "spec"),
			...fields(structuralSchema(kind.status), "status"),
		].flatMap(([path, { description }]) =>
			description === undefined ? [path] : [],
		);
		expect(mute).toEqual([]);
	},
);

/** With what lists hold, but without the items, which have no line of their own. */
function* fields(
	schema: JsonSchema,
	path: string,
): Generator<[string, JsonSchema]> {
	yield [path, schema];
	for (const [name, property] of Object.entries({
		...schema.properties,
		...schema.items?.properties,
	}))
		yield* fields(property, `${path}.${name}`);
}

test("every list and every text that a user writes is bounded, or CEL rules cost too much", () => {
	const unbounded = KINDS.flatMap(({ kind, spec }) => [
		...walk(structuralSchema(spec), kind),
	])
		.filter(
			([, schema]) =>
				(schema.type === "array" && schema.maxItems === undefined) ||
				(schema.type === "string" &&
					schema.maxLength === undefined &&
					schema.enum === undefined),
		)
		.map(([path]) => path);
	expect(unbounded).toEqual([]);
});

test("a zod type that a structural schema can't hold is refused, not weakened", () => {
	expect(() =>
		structuralSchema(z.object({ a: z.union([z.string(), z.int()]) })),
	).toThrow("a: a structural schema has no anyOf");
});

test.each([
	[{ sink: { history: true, writeMode: "append" } }, "sink.history needs"],
	[
		{ writer: { scheduling: { priorityClassName: "system-node-critical" } } },
		"must not be one of the system's classes",
	],
	[{ sink: { deletes: "soft", writeMode: "append" } }, "sink.deletes: soft"],
	[{ sink: { tablePath: "all" } }, "must contain {table}"],
	[{ sink: { tablePath: "../{table}" } }, "must not contain '..'"],
	[
		{ kafka: { caSecretRef: { name: "ca", key: "ca.crt" } } },
		"caSecretRef needs kafka.tls",
	],
])(
	"a rule across fields holds without an API server too: %j",
	(change: {
		sink?: object;
		kafka?: object;
		writer?: object;
	}, message) => {
		const result = cdcPipelineSpec.safeParse({
			...minimal,
			...(change.writer && { writer: change.writer }),
			sink: { ...minimal.sink, ...change.sink },
			kafka: { ...minimal.kafka, ...change.kafka },
		});
		expect(result.success).toBe(false);
		expect(result.error?.message).toContain(message);
		expect(
			CDC_PIPELINE.rules.some((rule) => rule.message.includes(message)),
		).toBe(true);
	},
);

const of = { pipelineRef: { name: "shop" }, path: "orders" };

test.each<[object, string]>([
	[{}, "one of location"],
	[{ ...of, location: "s3://lake/x" }, "one of location"],
	[{ pipelineRef: { name: "shop" } }, "pipelineRef and path go together"],
	[{ ...of, path: "../x" }, "path must neither start with '/'"],
	[{ ...of, path: "/x" }, "path must neither start with '/'"],
	[
		{ ...of, storageSecretRef: { name: "lake" } },
		"storageSecretRef does not go",
	],
	[{ ...of, schema: table.schema }, "schema does not go with pipelineRef"],
	[{ ...of, clusterBy: ["a"] }, "clusterBy does not go with pipelineRef"],
	[{ location: "s3://lake/x", partitionBy: ["a"] }, "partitionBy needs schema"],
])("a DeltaTable that makes no sense is told why: %j", (spec, message) => {
	expect(deltaTableSpec.safeParse(spec).error?.message).toContain(message);
	expect(DELTA_TABLE.rules.some((rule) => rule.message.includes(message))).toBe(
		true,
	);
});

const tableRef = { name: "rates" };

test.each<[object, string]>([
	[{ type: "vacuum", optimize: {} }, "optimize goes with type optimize only"],
	[{ type: "restore" }, "type restore needs one of"],
	[
		{ type: "restore", restore: { version: 1, timestamp: "2026-01-01" } },
		"type restore needs one of",
	],
	[{ type: "checkpoint", dryRun: true }, "dryRun does not go with"],
	[{ type: "vacuum", vacuum: { retention: "6d" } }, "vacuum.retention below"],
	[{ type: "vacuum", vacuum: { retention: "167h" } }, "vacuum.retention below"],
])("a TableOperation that is unsafe is told why: %j", (spec, message) => {
	const { error } = tableOperationSpec.safeParse({ tableRef, ...spec });
	expect(error?.message).toContain(message);
	expect(
		TABLE_OPERATION.rules.some((rule) => rule.message.includes(message)),
	).toBe(true);
});

test.each([
	{ retention: "7d" },
	{ retention: "168h" },
	{ retention: "1h", allowShortRetention: true },
])("a vacuum that is safe or meant is taken: %j", (vacuum) => {
	const spec = { tableRef, type: "vacuum", vacuum };
	expect(tableOperationSpec.safeParse(spec).success).toBe(true);
});
