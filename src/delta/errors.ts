import { TributaryError } from "../errors.ts";

export type DeltaErrorCode =
	/** A version is missing between the checkpoint and the newest commit. */
	| "DELTA_LOG_GAP"
	/** A log file can't be parsed, or breaks a rule of the protocol. */
	| "DELTA_LOG_INVALID"
	| "DELTA_UNSUPPORTED_READER"
	| "DELTA_UNSUPPORTED_WRITER"
	| "DELTA_VERSION_NOT_FOUND"
	| "DELTA_TABLE_NOT_FOUND"
	| "DELTA_TABLE_EXISTS"
	| "DELTA_DELETION_VECTOR_INVALID"
	/** A file that the log refers to is not in the store any more. */
	| "DELTA_FILE_MISSING"
	/** The changes between two versions were not recorded, or are not in the log any more. */
	| "DELTA_CHANGES_UNAVAILABLE"
	| "DELTA_SCHEMA_INCOMPATIBLE"
	/** A row breaks a constraint of the table; nothing was written. */
	| "DELTA_CONSTRAINT_VIOLATED"
	/** The table's `delta.appendOnly` forbids what was asked. */
	| "DELTA_APPEND_ONLY"
	/** A commit may or may not be in the table: the store did not answer. */
	| "DELTA_COMMIT_UNKNOWN"
	/** Another commit changed what a transaction has read or wants to change. */
	| "DELTA_CONFLICT"
	/** Vacuum was to delete files that the table's own retention keeps. */
	| "DELTA_RETENTION_TOO_SHORT"
	/** The log refers to a file that this process may not, or can't, open. */
	| "DELTA_FILE_OUTSIDE_TABLE";

export class DeltaError extends TributaryError {
	declare readonly code: DeltaErrorCode;

	constructor(
		code: DeltaErrorCode,
		message: string,
		options: { retryable?: boolean; cause?: unknown } = {},
	) {
		super(code, message, options);
	}
}
