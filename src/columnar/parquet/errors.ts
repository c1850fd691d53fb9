import { TributaryError } from "../../errors.ts";

/**
 * A Parquet file that can't be read or written as asked: `PARQUET_INVALID` when bytes or vectors
 * contradict themselves or the schema, `PARQUET_UNSUPPORTED` for what the format can't hold or this
 * reader doesn't know. Trying again can't help.
 */
export class ParquetError extends TributaryError {
	declare readonly code: "PARQUET_INVALID" | "PARQUET_UNSUPPORTED";

	constructor(
		code: "PARQUET_INVALID" | "PARQUET_UNSUPPORTED",
		message: string,
		options: { cause?: unknown } = {},
	) {
		super(code, message, options);
	}
}
