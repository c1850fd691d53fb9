import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openS3Store } from "../../src/storage/s3.ts";
import { startS3 } from "../../stack/components.ts";
import { storeContract } from "../support/store-contract.ts";

storeContract("S3", async () => {
	const dir = await mkdtemp(join(tmpdir(), "tributary-contract-"));
	const { endpoint, region, accessKeyId, secretAccessKey, stop } =
		await startS3({ dir, buckets: ["lake.with.dots"] });
	let opened = 0;
	return {
		open: () =>
			openS3Store({
				bucket: "lake.with.dots",
				prefix: `table ${opened++}+%20/é`,
				credentials: { endpoint, region, accessKeyId, secretAccessKey },
			}),
		tearDown: async () => {
			await stop();
			await rm(dir, { recursive: true, force: true });
		},
	};
});
