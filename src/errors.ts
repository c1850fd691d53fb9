/**
 * The base of every error that a caller is expected to act on.
 *
 * `code` is stable and documented; `retryable` says whether the same call may succeed later without
 * any change of input. The message says what was wrong, with the offending value, and what to do
 * next. No message may carry a secret.
 */
export class TributaryError extends Error {
	readonly code: string;
	readonly retryable: boolean;

	constructor(
		code: string,
		message: string,
		options: { retryable?: boolean; cause?: unknown } = {},
	) {
		super(
			message,
			options.cause === undefined ? undefined : { cause: options.cause },
		);
		this.name = new.target.name;
		this.code = code;
		this.retryable = options.retryable ?? false;
	}
}

/** The input of a person (YAML, flag, environment variable) is wrong; retrying can't help. */
export class ConfigError extends TributaryError {
	constructor(message: string, options: { cause?: unknown } = {}) {
		super("CONFIG_INVALID", message, options);
	}
}

/** The text of anything thrown, for a log line or a status; never empty. */
export function messageOf(error: unknown): string {
	return error instanceof Error
		? error.message || error.name
		: String(error) || "unknown error";
}

/** A URL as it may be shown: what stands before an `@` in its authority is left out. */
export function withoutUserInfo(url: string): string {
	return url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/i, "$1");
}
