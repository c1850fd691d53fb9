import type { AddFile, RemoveFile } from "./actions.ts";
import { dvId } from "./deletion-vector.ts";
import { canonicalPath } from "./path.ts";

/** A logical file: the decoded path and the identity of its deletion vector (PROTOCOL.md, "Action Reconciliation"). */
export function fileKey(
	file: Pick<AddFile | RemoveFile, "path" | "deletionVector">,
): string {
	const dv = file.deletionVector;
	const path = canonicalPath(file.path);
	return dv === undefined || dv === null ? path : `${path}\n${dvId(dv)}`;
}
