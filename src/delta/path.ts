import { DeltaError } from "./errors.ts";

/** The path of a file as the object store knows it. */
export function decodePath(path: string): string {
	try {
		return decodeURIComponent(path);
	} catch (cause) {
		throw new DeltaError(
			"DELTA_LOG_INVALID",
			`file path ${path} is not URI-encoded`,
			{ cause },
		);
	}
}
