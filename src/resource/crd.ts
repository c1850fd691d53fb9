import { z } from "zod";

/** A CEL rule of the API server. */
export interface ValidationRule {
	readonly rule: string;
	readonly message: string;
	readonly fieldPath?: string;
	readonly reason?: string;
}

export interface PrinterColumn {
	readonly name: string;
	readonly type: "string" | "integer" | "number" | "date";
	readonly jsonPath: string;
	readonly description?: string;
	/** Above 0 only `-o wide` shows it. */
	readonly priority?: number;
}

/** One resource of ours, as its definition and its reference page need it. */
export interface ResourceKind {
	readonly group: string;
	readonly version: string;
	readonly kind: string;
	readonly plural: string;
	readonly singular: string;
	readonly shortNames: readonly string[];
	readonly categories: readonly string[];
	readonly description: string;
	readonly spec: z.ZodType;
	readonly status: z.ZodType;
	/** About the specification. */
	readonly rules: readonly ValidationRule[];
	/** About the whole object; they see of the metadata the name only. */
	readonly objectRules: readonly ValidationRule[];
	readonly columns: readonly PrinterColumn[];
	readonly scale?: {
		readonly specReplicasPath: string;
		readonly statusReplicasPath: string;
		readonly labelSelectorPath?: string;
	};
}

export interface JsonSchema {
	readonly type?: string;
	readonly description?: string;
	readonly default?: unknown;
	readonly enum?: readonly unknown[];
	readonly pattern?: string;
	readonly format?: string;
	readonly required?: readonly string[];
	readonly properties?: Readonly<Record<string, JsonSchema>>;
	readonly additionalProperties?: boolean | JsonSchema;
	readonly items?: JsonSchema;
	readonly [keyword: string]: unknown;
}

/**
 * The CustomResourceDefinition of a kind. The `keep` annotation lets Helm leave it, and with it
 * every resource, in place when the chart is uninstalled.
 */
export function customResourceDefinition(kind: ResourceKind): object {
	return {
		apiVersion: "apiextensions.k8s.io/v1",
		kind: "CustomResourceDefinition",
		metadata: {
			name: `${kind.plural}.${kind.group}`,
			labels: { "app.kubernetes.io/name": "tributary" },
			annotations: { "helm.sh/resource-policy": "keep" },
		},
		spec: {
			group: kind.group,
			scope: "Namespaced",
			names: {
				kind: kind.kind,
				listKind: `${kind.kind}List`,
				plural: kind.plural,
				singular: kind.singular,
				shortNames: kind.shortNames,
				categories: kind.categories,
			},
			versions: [
				{
					name: kind.version,
					served: true,
					storage: true,
					subresources: {
						status: {},
						...(kind.scale === undefined ? {} : { scale: kind.scale }),
					},
					additionalPrinterColumns: kind.columns,
					schema: {
						openAPIV3Schema: {
							type: "object",
							description: kind.description,
							required: ["spec"],
							"x-kubernetes-validations": kind.objectRules,
							properties: {
								apiVersion: { type: "string" },
								kind: { type: "string" },
								metadata: { type: "object" },
								spec: {
									...structuralSchema(kind.spec),
									"x-kubernetes-validations": kind.rules,
								},
								status: structuralSchema(kind.status),
							},
						},
					},
				},
			],
		},
	};
}

/** Keywords of OpenAPI v3 that a structural schema may use. */
const KEYWORDS = new Set([
	"type",
	"description",
	"default",
	"enum",
	"format",
	"pattern",
	"minimum",
	"maximum",
	"exclusiveMinimum",
	"exclusiveMaximum",
	"minLength",
	"maxLength",
	"minItems",
	"maxItems",
	"required",
	"nullable",
]);

/**
 * The structural schema of what a user may write for a zod type. `additionalProperties: false`
 * is left out beside `properties`: the API server prunes and reports unknown fields itself.
 *
 * @throws TypeError for a keyword that would lose a constraint silently.
 */
export function structuralSchema(type: z.ZodType): JsonSchema {
	return structural(jsonSchema(type), []);
}

/** The JSON schema of what a user may write, with zod's meaning of unknown fields. */
export function jsonSchema(type: z.ZodType): JsonSchema {
	const { $schema: _, ...schema } = z.toJSONSchema(type, { io: "input" });
	return schema as JsonSchema;
}

function structural(schema: JsonSchema, path: readonly string[]): JsonSchema {
	const out: Record<string, unknown> = {};
	for (const [keyword, value] of Object.entries(schema)) {
		if (KEYWORDS.has(keyword) || keyword.startsWith("x-kubernetes-"))
			out[keyword] = value;
		else if (keyword === "properties")
			out[keyword] = Object.fromEntries(
				Object.entries(value as Record<string, JsonSchema>).map(
					([name, property]) => [name, structural(property, [...path, name])],
				),
			);
		else if (keyword === "items")
			out[keyword] = structural(value as JsonSchema, [...path, "items"]);
		else if (keyword === "additionalProperties") {
			if (typeof value === "object" && value !== null)
				out[keyword] = structural(value as JsonSchema, [...path, "*"]);
			else if (schema.properties === undefined)
				out["x-kubernetes-preserve-unknown-fields"] = value;
		} else if (keyword === "const") out.enum = [value];
		else if (keyword !== "propertyNames")
			throw new TypeError(
				`${path.join(".") || "(root)"}: a structural schema has no ${keyword}`,
			);
	}
	return out;
}
