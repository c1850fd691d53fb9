import { expect, test } from "vitest";
import { z } from "zod";
import { cdcPipelineSpec } from "../../../src/resource/cdc-pipeline.ts";
import {
	type JsonSchema,
	structuralSchema,
} from "../../../src/resource/crd.ts";
import { CDC_PIPELINE } from "../../../src/resource/kinds.ts";

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

function* walk(
	schema: JsonSchema,
	path = "spec",
): Generator<[string, JsonSchema]> {
	yield [path, schema];
	for (const [name, property] of Object.entries(schema.properties ?? {}))
		yield* walk(property, `${path}.${name}`);
	if (schema.items !== undefined) yield* walk(schema.items, `${path}[]`);
}

test("the API server's defaults are those of the program", () => {
	const schema = structuralSchema(cdcPipelineSpec);
	expect(withDefaults(schema, minimal)).toEqual(cdcPipelineSpec.parse(minimal));
});

test("a structural schema has a type at every node and no additionalProperties beside properties", () => {
	const wrong = [
		structuralSchema(CDC_PIPELINE.spec),
		structuralSchema(CDC_PIPELINE.status),
	]
		.flatMap((schema) => [...walk(schema)])
		.filter(
			([, schema]) =>
				schema.type === undefined ||
				(schema.properties !== undefined &&
					schema.additionalProperties !== undefined),
		)
		.map(([path]) => path);
	expect(wrong).toEqual([]);
});

test("every list and every text that a user writes is bounded, or CEL rules cost too much", () => {
	const unbounded = [...walk(structuralSchema(cdcPipelineSpec))]
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
	}, message) => {
		const result = cdcPipelineSpec.safeParse({
			...minimal,
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
