import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { installed } from "./cache.ts";
import {
	answersHttp,
	freePorts,
	LOCALHOST,
	type Place,
	type Running,
	start,
} from "./process.ts";

export interface RunningS3 extends Running {
	readonly endpoint: string;
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly region: string;
	/** Buckets are folders of it. */
	readonly folder: string;
}

/** versitygw over a folder. */
export async function startS3(
	place: Place & { readonly buckets?: readonly string[] },
): Promise<RunningS3> {
	const host = place.host ?? LOCALHOST;
	const [port = 0] = await freePorts(1);
	const folder = join(place.dir, "s3");
	mkdirSync(folder, { recursive: true });
	for (const bucket of place.buckets ?? [])
		mkdirSync(join(folder, bucket), { recursive: true });
	const [accessKeyId, secretAccessKey, region] = [
		"tributary",
		"tributary-secret",
		"us-east-1",
	];
	const endpoint = `http://${host}:${port}`;
	return await start(
		{
			name: "s3",
			place,
			argv: [
				installed("versitygw", "versitygw"),
				"--port",
				`${host}:${port}`,
				"--access",
				accessKeyId,
				"--secret",
				secretAccessKey,
				"--region",
				region,
				// As S3 does: a connection for each request would be most of its cost.
				"--keep-alive",
				"posix",
				folder,
			],
			ready: () => answersHttp(endpoint),
		},
		{
			endpoint,
			accessKeyId,
			secretAccessKey,
			region,
			folder,
		},
	);
}
