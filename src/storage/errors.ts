import { TributaryError } from "../errors.ts";

export class NotFoundError extends TributaryError {
	constructor(url: string, path: string, options: { cause?: unknown } = {}) {
		super("OBJECT_NOT_FOUND", `no object ${path} in ${url}`, options);
	}
}

/** The store refused or failed; the message names the bucket and the next step, never a secret. */
export class StorageError extends TributaryError {}
