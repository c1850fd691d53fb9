import { resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, vi } from "vitest";
import type { DeltaTableStatus } from "../src/resource/delta-table-status.ts";
import type { TableOperationStatus } from "../src/resource/table-operation-status.ts";
import type { Cluster } from "../stack/cluster.ts";

/** What the tests of the pipelines share with these. */
export interface TableStage {
	readonly cluster: Cluster;
	readonly namespace: string;
	apply(manifest: object): Promise<void>;
	/** Changes the source of the pipeline `shop`. */
	change(step: number): Promise<void>;
	/** Rows of that source. */
	rows(): Promise<number>;
	/** Until the table of the pipeline `shop` equals its source. */
	equal(): Promise<void>;
	/** A table as another engine reads it. */
	table(path: string, columns: readonly string[]): Promise<unknown[][]>;
}

const SAMPLES = resolve(
	import.meta.dirname,
	"../manifests/samples/tables.yaml",
);
const soon = { timeout: 240_000, interval: 500 };

/** `DeltaTable` and `TableOperation`, on the tables of the pipeline `shop` and on one of their own. */
export function deltaTableTests(stage: () => TableStage): void {
	const kubectl = (...args: readonly string[]): Promise<string> =>
		stage().cluster.kubectl("-n", stage().namespace, ...args);

	async function statusOf<Status>(kind: string, name: string): Promise<Status> {
		const text = await kubectl("get", kind, name, "-o", "json");
		return (JSON.parse(text) as { status?: Status }).status ?? ({} as Status);
	}
	const tableStatus = (name: string) =>
		statusOf<DeltaTableStatus>("deltatable", name);
	const operationStatus = (name: string) =>
		statusOf<TableOperationStatus>("tableoperation", name);

	function is(name: string, wanted: object): Promise<void> {
		return vi.waitFor(
			async () => expect(await tableStatus(name)).toMatchObject(wanted),
			soon,
		);
	}

	async function runs(
		name: string,
		spec: object,
	): Promise<TableOperationStatus> {
		await stage().apply({
			apiVersion: "tributary.dev/v1alpha1",
			kind: "TableOperation",
			metadata: { name, namespace: stage().namespace },
			spec,
		});
		return vi.waitFor(async () => {
			const status = await operationStatus(name);
			expect(status.finished).toBeDefined();
			return status;
		}, soon);
	}

	function rates(spec: object): Promise<void> {
		return stage().apply({
			apiVersion: "tributary.dev/v1alpha1",
			kind: "DeltaTable",
			metadata: { name: "rates", namespace: stage().namespace },
			spec: {
				location: "s3://lake/rates",
				storageSecretRef: { name: "lake" },
				resources: { cpu: "50m", memory: "256Mi" },
				...spec,
			},
		});
	}

	const orders = ["deltatable", "shop.orders"] as const;
	const COLUMNS = [
		{ name: "id", type: "int", nullable: false },
		{ name: "rate", type: "decimal(10,4)" },
	];

	test("a pipeline's table has a DeltaTable with its figures, and settings that override the pipeline's", async () => {
		await stage().equal();
		await vi.waitFor(
			async () =>
				expect(await tableStatus("shop.orders")).toMatchObject({
					phase: "Ready",
					location: "s3://lake/shop/orders",
					rows: await stage().rows(),
					maintenance: { optimize: { from: "Pipeline" } },
				}),
			soon,
		);
		const [header] = (await kubectl("get", "dt")).split("\n");
		expect(header?.split(/\s+/)).toEqual(
			"NAME PHASE READY VERSION ROWS FILES SIZE OPTIMIZED LOCATION AGE".split(
				" ",
			),
		);
		await kubectl(
			...["patch", ...orders, "--type=merge", "-p"],
			JSON.stringify({
				spec: {
					maintenance: { optimize: { schedule: "0 5 * * *" } },
					resources: { cpu: "50m", memory: "512Mi" },
				},
			}),
		);
		await is("shop.orders", {
			maintenance: {
				optimize: { from: "Table", schedule: "0 5 * * *" },
				vacuum: { from: "Pipeline" },
			},
		});
		const own = (await cronJobs("shop.orders"))[0] ?? "";
		expect(own).toMatch(/^shop-orders-[0-9a-f]{8}-optimize$/);
		await vi.waitFor(
			async () =>
				expect(
					await kubectl("get", "cronjob", "shop-optimize", "-o", "yaml"),
				).toContain("--exclude=orders"),
			soon,
		);
		await kubectl("create", "job", "orders-now", `--from=cronjob/${own}`);
		await is("shop.orders", { optimize: { result: "Succeeded" } });
		await kubectl(
			...["patch", ...orders, "--type=json", "-p"],
			'[{"op":"remove","path":"/spec/maintenance/optimize"}]',
		);
		await vi.waitFor(
			async () => expect(await cronJobs("shop.orders")).toEqual([]),
			soon,
		);
	});

	async function cronJobs(table: string): Promise<string[]> {
		const label = `tributary.dev/table=${table}`;
		return (
			await kubectl(
				...["get", "cronjob", "-l", label],
				...["-o", "jsonpath={.items[*].metadata.name}"],
			)
		)
			.split(" ")
			.filter(Boolean);
	}

	test("a DeltaTable of its own makes a table, changes it, and is refused what can't be", async () => {
		await rates({ schema: { columns: COLUMNS } });
		await is("rates", { phase: "Ready", version: 0, rows: 0 });
		const wider = [{ name: "id", type: "long", nullable: false }, COLUMNS[1]];
		await rates({ schema: { columns: wider } });
		await is("rates", {
			phase: "Refused",
			version: 0,
			applied: {
				message: expect.stringContaining(
					"the column id can be widened once delta.enableTypeWidening is true",
				),
			},
		});
		await rates({
			schema: { columns: [...wider, { name: "note", type: "string" }] },
			properties: { "delta.enableTypeWidening": "true" },
		});
		await is("rates", {
			...{ phase: "Ready", version: 1 },
			applied: {
				changes: [
					"set delta.enableTypeWidening=true",
					"widen id from int to long",
					"add note string",
				],
			},
		});
		expect(await stage().table("rates", ["id", "rate", "note"])).toEqual([]);
		expect(await cronJobs("rates")).toHaveLength(2);
		await expect(rates({ location: "s3://lake/elsewhere" })).rejects.toThrow(
			/location can't be changed/,
		);
		await kubectl("delete", "deltatable", "rates");
		expect(await stage().table("rates", ["id"])).toEqual([]);
	});

	test("the samples of tables are taken by the API server", async () => {
		await kubectl("apply", "--dry-run=server", "-f", SAMPLES);
	});

	test("operations on a table that is written fail no writer, and a mirror ends equal to its source", async () => {
		const tableRef = { name: "shop.orders" };
		const { version = 0 } = await tableStatus("shop.orders");
		let stopped = false;
		const changes = (async () => {
			for (let step = 50; !stopped; step++) {
				await stage().change(step);
				await sleep(1000);
			}
		})();
		let optimized: TableOperationStatus;
		let restored: TableOperationStatus;
		let tooFar: TableOperationStatus;
		try {
			[optimized, tooFar] = await Promise.all([
				runs("tidy-orders", { tableRef, type: "optimize" }),
				runs("too-far", {
					tableRef,
					type: "restore",
					restore: { version: 1_000_000 },
				}),
			]);
			restored = await runs("back", {
				tableRef,
				type: "restore",
				restore: { version },
				ttlSecondsAfterFinished: 5,
			});
		} finally {
			stopped = true;
			await changes;
		}
		expect(optimized).toMatchObject({ phase: "Succeeded" });
		expect(optimized.metrics?.filesRemoved).toBeGreaterThan(0);
		expect(restored).toMatchObject({
			phase: "Succeeded",
			metrics: { restoredVersion: version },
		});
		expect(restored.metrics?.positions).toBeGreaterThan(0);
		await stage().equal();
		const refused = (spec: object) =>
			runs("wrong", { tableRef, type: "vacuum", ...spec });
		await expect(refused({ vacuum: { retention: "1h" } })).rejects.toThrow(
			/vacuum\.retention below 168h .* set vacuum\.allowShortRetention: true/,
		);
		await expect(refused({ restore: { version: 1 } })).rejects.toThrow(
			/restore goes with type restore only/,
		);
		expect(tooFar).toMatchObject({
			phase: "Failed",
			conditions: [
				{
					type: "Complete",
					reason: "OperationFailed",
					message: expect.stringMatching(/has no version 1000000/),
				},
			],
		});
		await vi.waitFor(
			() =>
				expect(kubectl("get", "tableoperation", "back")).rejects.toThrow(
					/not found/,
				),
			soon,
		);
	});
}
