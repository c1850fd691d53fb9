import { TributaryError } from "../errors.ts";

export type ExpressionErrorCode =
	/** The text breaks the grammar, names no column, or its types do not go together. */
	| "EXPRESSION_INVALID"
	/** Good SQL, but not of the subset; the message lists what is there. */
	| "EXPRESSION_UNSUPPORTED"
	/** A row has no result: overflow, division by zero, a text that can't be cast. */
	| "EXPRESSION_FAILED";

export class ExpressionError extends TributaryError {
	declare readonly code: ExpressionErrorCode;
	/** Where in the text, from 0; `undefined` when the error is not of one place. */
	readonly position: number | undefined;

	constructor(code: ExpressionErrorCode, message: string, position?: number) {
		super(
			code,
			position === undefined
				? message
				: `${message} (at character ${position + 1})`,
		);
		this.position = position;
	}
}

export function invalid(message: string, position?: number): ExpressionError {
	return new ExpressionError("EXPRESSION_INVALID", message, position);
}

export function unsupported(
	message: string,
	position?: number,
): ExpressionError {
	return new ExpressionError("EXPRESSION_UNSUPPORTED", message, position);
}

export function failed(message: string): ExpressionError {
	return new ExpressionError("EXPRESSION_FAILED", message);
}
