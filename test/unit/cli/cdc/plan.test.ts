import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { stringify } from "yaml";
import { differences, mergePatch } from "../../../../src/cli/cdc/difference.ts";
import { cdcPipeline } from "../../../../src/resource/cdc-pipeline.ts";
import { fail } from "../../kube/api-server.ts";
import { pipelineYaml } from "../../operator/pipeline.ts";
import { type Cdc, startCdc } from "./command.ts";

const PIPELINES = "/apis/tributary.dev/v1alpha1/namespaces/data/cdcpipelines";
let cdc: Cdc;

beforeEach(async () => {
	cdc = await startCdc();
});
afterEach(() => cdc.stop());

type Changes = Parameters<typeof pipelineYaml>[0];

/** A live pipeline with every default, as the API server fills them in, that `kubectl apply` made. */
function live(changes: Changes = {}): void {
	const { spec } = cdcPipeline.parse(pipelineYaml(changes));
	cdc.server.put(`${PIPELINES}/shop`, {
		...pipelineYaml(changes),
		spec,
		metadata: {
			annotations: {
				"kubectl.kubernetes.io/last-applied-configuration": JSON.stringify(
					pipelineYaml(changes),
				),
			},
		},
	});
}

async function file(changes: Changes, ...more: object[]): Promise<string> {
	const path = join(cdc.dir, "pipeline.yaml");
	await writeFile(
		path,
		[pipelineYaml(changes), ...more].map((one) => stringify(one)).join("---\n"),
	);
	return path;
}

test("a file that says what is there changes nothing, and ends with 0", async () => {
	live();
	const before = cdc.server.get(`${PIPELINES}/shop`);
	expect(await cdc.run("plan", "-f", await file({}))).toEqual({
		text: "data/shop: nothing would change\n",
		status: 0,
	});
	expect(cdc.server.get(`${PIPELINES}/shop`)).toEqual(before);
});

test("a change tells of connector and writers what they would do, and ends with 3", async () => {
	live();
	const path = await file({
		source: { config: { "poll.interval.ms": "50" } },
		writer: { replicas: 2, batch: { maxDelay: "1s" } },
	});
	expect(await cdc.run("plan", "-f", path)).toEqual({
		status: 3,
		text: `data/shop: would be changed
  + spec.source.config.poll.interval.ms  50
  ~ spec.writer.batch.maxDelay  5s -> 1s
  ~ spec.writer.replicas  1 -> 2
  connector data.shop is updated, after Kafka Connect has validated it; its tasks restart at their position
    ~ poll.interval.ms  100 -> 50
  writers are replaced one by one: their configuration or pods change (spec.writer.batch.maxDelay)
`,
	});
	const scaled = await cdc.run(
		"plan",
		"-f",
		await file({ writer: { replicas: 3 } }),
		"-o",
		"json",
	);
	expect(JSON.parse(scaled.text)).toMatchObject([
		{
			result: "changed",
			connector: { result: "unchanged" },
			writers: { result: "scaled", because: ["from 1 to 3"] },
		},
	]);
	expect(
		(await cdc.run("plan", "-f", await file({ state: "paused" }))).text,
	).toContain("writers commit what they hold and end (spec.state is paused)");
});

test("a field that the file no longer has goes back, one that kubectl cdc set stays", async () => {
	live({ kafka: { onPositionLost: "continue" } });
	await cdc.run("restart", "shop");
	const { text } = await cdc.run("plan", "-f", await file({}));
	expect(text).toContain("- spec.kafka.onPositionLost  continue");
	expect(text).not.toContain("actions");
});

test("a password in a connector property is not shown", async () => {
	live({ source: { config: { "ssl.key.password": "old-one" } } });
	const { text } = await cdc.run(
		"plan",
		"-f",
		await file({ source: { config: { "ssl.key.password": "new-one" } } }),
	);
	expect(text).toContain("ssl.key.password  *** -> ***");
	expect(text).not.toContain("-one");
});

test("what the API server refuses is told in its words, and ends with 1", async () => {
	live();
	cdc.server.faults.intercept = (method, _, response) => {
		if (method !== "PATCH") return false;
		fail(
			response,
			422,
			"Invalid",
			'CdcPipeline.tributary.dev "shop" is invalid: spec.sink.location: Invalid value: sink.location can\'t be changed: make a new CdcPipeline instead',
		);
		return true;
	};
	expect(
		await cdc.run("plan", "-f", await file({ sink: { location: "s3://x/y" } })),
	).toEqual({
		status: 1,
		text: "data/shop: the API server refuses it\n  spec.sink.location: Invalid value: sink.location can't be changed: make a new CdcPipeline instead\n",
	});
});

test("without the right to change, plan names the verb; a bad file is named", async () => {
	live();
	cdc.server.faults.intercept = (method, _, response) => {
		if (method !== "PATCH") return false;
		fail(response, 403, "Forbidden", "no");
		return true;
	};
	expect(await cdc.failure("plan", "-f", await file({}))).toMatch(
		/^CLUSTER_DENIED: you may not patch cdcpipelines\.tributary\.dev in namespace data/,
	);
	expect(await cdc.failure("plan")).toMatch(
		/^CONFIG_INVALID: plan takes files/,
	);
	expect(await cdc.failure("plan", "-f", "/nowhere.yaml")).toMatch(
		/^CONFIG_INVALID: can't read \/nowhere\.yaml/,
	);
	const other = join(cdc.dir, "other.yaml");
	await writeFile(other, "kind: Secret\n");
	expect(await cdc.failure("plan", "-f", other)).toMatch(
		/no CdcPipeline in it/,
	);
	await writeFile(other, "kind: [\n");
	expect(await cdc.failure("plan", "-f", other)).toMatch(
		/^CONFIG_INVALID: .*other\.yaml, document 1: /,
	);
	expect(await cdc.failure("plan", "-f", await file({}), "-n", "prod")).toBe(
		"CONFIG_INVALID: shop is in namespace data by its file, but --namespace says prod: leave one out",
	);
});

test("a merge patch takes away what was applied before and is no longer wanted, and nothing else", () => {
	expect(
		mergePatch(
			{ a: 1, b: { c: 1, d: 2 }, gone: { x: 1 } },
			{ a: 2, b: { c: 1 }, list: [1] },
		),
	).toEqual({ a: 2, b: { c: 1, d: null }, list: [1], gone: null });
	expect(
		differences({ a: [1], b: { c: 1 } }, { a: [2], b: { c: 1, d: 0 } }),
	).toEqual([
		{ path: "a", before: [1], after: [2] },
		{ path: "b.d", after: 0 },
	]);
});
