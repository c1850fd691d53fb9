import { expect, test } from "vitest";
import { cdcPipeline } from "../../../src/resource/cdc-pipeline.ts";
import { deltaTableSpec } from "../../../src/resource/delta-table.ts";
import { parseHeld, parseKnown } from "../../../src/resource/held.ts";
import { pipelineYaml } from "../operator/pipeline.ts";

/** As with the defaults of a definition that is newer than this version. */
function newer() {
	const { spec, ...object } = pipelineYaml();
	return {
		...object,
		spec: {
			...spec,
			strategy: { kind: "gradual" },
			source: { ...spec.source, pace: "slow" },
			sink: {
				...spec.sink,
				schema: { tables: [{ table: "shop.orders", tone: "soft" }] },
			},
		},
	};
}

test("fields of a newer definition do not stop a pipeline, and are not half taken", () => {
	const held = newer();
	const before = structuredClone(held);
	const { spec } = cdcPipeline.parse(pipelineYaml());
	expect(parseHeld(cdcPipeline, held).data?.spec).toEqual({
		...spec,
		sink: {
			...spec.sink,
			schema: { ...spec.sink.schema, tables: [{ table: "shop.orders" }] },
		},
	});
	// It is the copy that all share.
	expect(held).toEqual(before);
	expect(
		parseKnown(deltaTableSpec, {
			pipelineRef: { name: "shop" },
			path: "orders",
			pace: "slow",
		}).data,
	).toMatchObject({ path: "orders" });
});

test("what is wrong beside an unknown field is still told", () => {
	const held = newer();
	const { error } = parseHeld(cdcPipeline, {
		...held,
		spec: { ...held.spec, state: "asleep" },
	});
	expect(error?.issues).toMatchObject([{ path: ["spec", "state"] }]);
	expect(parseKnown(cdcPipeline, undefined).success).toBe(false);
});

test("a file that no API server has seen is refused for a field that is misspelled", () => {
	expect(cdcPipeline.safeParse(newer()).success).toBe(false);
});
