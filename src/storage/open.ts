import { isAbsolute } from "node:path";
import { fileURLToPath } from "node:url";
import { ConfigError, withoutUserInfo } from "../errors.ts";
import { openFileStore } from "./file.ts";
import { openS3Store, type StorageCredentials } from "./s3.ts";
import type { ObjectStore } from "./store.ts";

export type { StorageCredentials } from "./s3.ts";

/**
 * The store at a location: `s3://bucket/prefix`, `file:///folder`, or a local path.
 * @throws ConfigError when the location is none of these, or holds a user or password
 */
export function openStore(
	location: string,
	credentials: StorageCredentials = {},
): ObjectStore {
	if (withoutUserInfo(location) !== location)
		throw new ConfigError(
			`location ${withoutUserInfo(location)} must hold no user or password: put them in the storage secret as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
		);
	const s3 = /^s3a?:\/\/([^/]+)(?:\/(.*))?$/.exec(location);
	if (s3 !== null)
		return openS3Store({
			bucket: s3[1] ?? "",
			prefix: (s3[2] ?? "").replace(/\/+$/, ""),
			credentials,
		});
	if (location.startsWith("file://"))
		return openFileStore(fileURLToPath(location));
	if (/^[a-z][a-z0-9+.-]*:\/\//i.test(location))
		throw new ConfigError(
			`location ${location} has a scheme that is not supported: use s3://bucket/prefix, file:///folder or a local path`,
		);
	return openFileStore(
		isAbsolute(location) ? location : `${process.cwd()}/${location}`,
	);
}

/**
 * Credentials from a Secret's data or the environment, by the names of the AWS SDKs and of delta-rs.
 * Where no key is given, the SDK finds the machine's own identity: AWS_ROLE_ARN with
 * AWS_WEB_IDENTITY_TOKEN_FILE, a container's or an instance's role.
 */
export function storageCredentials(
	values: Readonly<Record<string, string | undefined>>,
): StorageCredentials {
	const pick = (name: string): string | undefined =>
		values[name] === "" ? undefined : values[name];
	const found = {
		accessKeyId: pick("AWS_ACCESS_KEY_ID"),
		secretAccessKey: pick("AWS_SECRET_ACCESS_KEY"),
		sessionToken: pick("AWS_SESSION_TOKEN"),
		region: pick("AWS_REGION") ?? pick("AWS_DEFAULT_REGION"),
		endpoint: pick("AWS_ENDPOINT_URL_S3") ?? pick("AWS_ENDPOINT_URL"),
		virtualHosted: ["true", "1"].includes(
			pick("AWS_VIRTUAL_HOSTED_STYLE_REQUEST")?.toLowerCase() ?? "",
		)
			? true
			: undefined,
		caBundle: pick("AWS_CA_BUNDLE"),
	};
	return Object.fromEntries(
		Object.entries(found).filter(([, value]) => value !== undefined),
	);
}

/** The store of a folder below `location`. */
export function openBelow(
	location: string,
	path: string,
	credentials: StorageCredentials = {},
): ObjectStore {
	return openStore(`${location.replace(/\/+$/, "")}/${path}`, credentials);
}

/**
 * Opens single files by their URLs (`s3://bucket/key`, `file:///x`, escaped) with a store per bucket.
 * @throws ConfigError out of the result, for a URL of another kind
 */
export function fileOpener(
	credentials: StorageCredentials = {},
): (url: string) => { readonly store: ObjectStore; readonly path: string } {
	const stores = new Map<string, ObjectStore>();
	return (url) => {
		const match = /^(s3:\/\/[^/]+|file:\/\/)\/(.+)$/.exec(url);
		if (match === null)
			throw new ConfigError(
				`the file ${withoutUserInfo(url)} is in a store that is not supported: files are read from s3://bucket/key and file:///path`,
			);
		const [, root = "", path = ""] = match;
		const known = stores.get(root);
		const store = known ?? openStore(`${root}/`, credentials);
		if (known === undefined) stores.set(root, store);
		return { store, path: decodeURIComponent(path) };
	};
}
