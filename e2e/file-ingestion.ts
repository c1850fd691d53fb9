import { expect, test, vi } from "vitest";
import type { FileIngestionStatus } from "../src/resource/file-ingestion-status.ts";
import { openS3Store } from "../src/storage/s3.ts";
import type { Cluster } from "../stack/cluster.ts";
import type { RunningS3 } from "../stack/components.ts";

/** What the tests of the pipelines share with these. */
export interface IngestionStage {
	readonly cluster: Cluster;
	readonly namespace: string;
	readonly s3: RunningS3;
	apply(manifest: object): Promise<void>;
	/** A table as another engine reads it. */
	table(path: string, columns: readonly string[]): Promise<unknown[][]>;
}

const soon = { timeout: 300_000, interval: 500 };

/** `FileIngestion`, from `kubectl apply` to a table that another engine reads. */
export function fileIngestionTests(stage: () => IngestionStage): void {
	const kubectl = (...args: readonly string[]): Promise<string> =>
		stage().cluster.kubectl("-n", stage().namespace, ...args);

	async function status(): Promise<FileIngestionStatus> {
		const text = await kubectl("get", "fi", "landed", "-o", "json");
		return (JSON.parse(text) as { status?: FileIngestionStatus }).status ?? {};
	}

	function is(wanted: object): Promise<void> {
		return vi.waitFor(async () => {
			const now = await status();
			expect(now, JSON.stringify(now.conditions)).toMatchObject(wanted);
		}, soon);
	}

	function ingestion(more: object = {}): object {
		return {
			apiVersion: "tributary.dev/v1alpha1",
			kind: "FileIngestion",
			metadata: { name: "landed", namespace: stage().namespace },
			spec: {
				source: {
					location: "s3://lake/landing",
					storageSecretRef: { name: "lake" },
				},
				format: { type: "csv" },
				sink: {
					location: "s3://lake/landed",
					storageSecretRef: { name: "lake" },
				},
				interval: "2s",
				worker: { resources: { cpu: "500m", memory: "1536Mi" } },
				...more,
			},
		};
	}

	async function land(files: Readonly<Record<string, string>>): Promise<void> {
		const store = openS3Store({
			bucket: "lake",
			prefix: "landing",
			credentials: stage().s3,
		});
		for (const [path, text] of Object.entries(files))
			await store.put(path, Buffer.from(text));
	}

	const rows = () => stage().table("landed", ["id", "name"]);

	test("files that land become rows, each file once; a corrupt one is told and comes when it is whole", async () => {
		await land({
			"a.csv": "id,name\n1,one\n2,two\n",
			"b.csv": "id,name\n3,three\n",
			"broken.csv": 'id,name\n4,"fo',
		});
		await stage().apply(ingestion());
		await is({ phase: "Degraded", files: { loaded: 2, failed: 1 } });
		expect(await rows()).toEqual([
			[1, "one"],
			[2, "two"],
			[3, "three"],
		]);
		const { conditions } = await status();
		expect(conditions?.find(({ type }) => type === "Ready")).toMatchObject({
			status: "True",
			reason: "Watching",
		});
		const [header, line] = (await kubectl("get", "fi", "landed")).split("\n");
		expect(header?.trim()).toMatch(
			/^NAME +PHASE +READY +FILES +FAILED +LAST RUN +AGE$/,
		);
		expect(line).toMatch(/^landed +Degraded +True +2 +1 +\d+[smh]/);
		await land({
			"broken.csv": 'id,name\n4,"four"\n',
			"b.csv": "id,name\n3,drei\n",
		});
		await is({ phase: "Running", files: { loaded: 3, failed: 0 } });
		await vi.waitFor(
			async () =>
				expect(await rows()).toEqual([
					[1, "one"],
					[2, "two"],
					[3, "drei"],
					[4, "four"],
				]),
			soon,
		);
	});

	test("a pod that is made anew loads no file twice, though its state went with it", async () => {
		await kubectl("delete", "pod", "landed-ingest-0", "--wait=true");
		await land({ "c.csv": "id,name\n5,five\n" });
		await vi.waitFor(
			async () =>
				expect(await rows()).toEqual([
					[1, "one"],
					[2, "two"],
					[3, "drei"],
					[4, "four"],
					[5, "five"],
				]),
			soon,
		);
		await is({ phase: "Running", files: { loaded: 4, failed: 0 } });
	});

	test("what can't be is refused with its reason; deleting an ingestion leaves the table", async () => {
		for (const [more, message] of [
			[{ worker: { replicas: 2 } }, /needs state\.connectionSecretRef/],
			[
				{ sink: { location: "s3://lake/elsewhere" } },
				/sink\.location can't be changed/,
			],
			[{ format: { type: "xml" } }, /xml/],
		] as const)
			await expect(stage().apply(ingestion(more))).rejects.toThrow(message);
		await stage().apply(ingestion({ suspend: true }));
		await is({ phase: "Suspended" });
		await kubectl("delete", "fi", "landed", "--wait=true");
		await vi.waitFor(
			async () =>
				expect(
					await kubectl(
						...["get", "statefulsets,configmaps,services"],
						...["-l", "tributary.dev/ingestion=landed", "-o", "name"],
					),
				).toBe(""),
			soon,
		);
		expect(await rows()).toHaveLength(5);
	});
}
