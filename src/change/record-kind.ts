import { type Decoded, dead, SKIP } from "./change.ts";
import type { Envelope } from "./envelope.ts";
import { JsonSyntaxError } from "./json-input.ts";

/** Whether this is a change event for sure: they tell a time. */
export function isEnvelope({ op, sourceMicros, handledMs }: Envelope): boolean {
	return isChange(op) && (sourceMicros >= 0 || handledMs >= 0);
}

/** Whether Debezium's operation code is that of a change. */
export function isChange(op: string): boolean {
	switch (op) {
		case "c":
		case "u":
		case "d":
		case "r":
		case "t":
			return true;
		default:
			return false;
	}
}

export function isBadInput(error: unknown): error is Error {
	return (
		error instanceof JsonSyntaxError ||
		error instanceof SyntaxError ||
		error instanceof RangeError
	);
}

/** What a record that is no change event is. */
export function other(envelope: Envelope): Decoded {
	if (envelope.ddl) return SKIP["schema-change"];
	if (envelope.status) return SKIP.transaction;
	if (envelope.op === "m") return SKIP.message;
	if (
		envelope.op === "" &&
		envelope.handledMs >= 0 &&
		envelope.afterAt < 0 &&
		envelope.beforeAt < 0
	)
		return SKIP.heartbeat;
	return dead(
		"ENVELOPE_UNKNOWN",
		'the value is no Debezium envelope (no known "op")',
	);
}
