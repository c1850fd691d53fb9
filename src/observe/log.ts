import {
	type DestinationStream,
	type Logger as Pino,
	pino,
	stdTimeFunctions,
} from "pino";

export type Logger = Pick<Pino, "debug" | "info" | "warn" | "error"> & {
	child(fields: Record<string, unknown>): Logger;
};

const SECRET_FIELDS = [
	"password",
	"secretAccessKey",
	"sessionToken",
	"connectionUri",
	"authorization",
].flatMap((name) => [name, `*.${name}`]);

/** Structured JSON, one object a line, to standard error unless a destination is given. */
export function createLogger(
	options: {
		readonly level?: string;
		readonly name?: string;
		readonly destination?: DestinationStream;
	} = {},
): Logger {
	return pino(
		{
			level: options.level ?? "info",
			...(options.name === undefined ? {} : { name: options.name }),
			base: null,
			timestamp: stdTimeFunctions.isoTime,
			formatters: { level: (label) => ({ level: label }) },
			redact: { paths: SECRET_FIELDS, censor: "[redacted]" },
			serializers: { err: errorFields },
		},
		options.destination ?? pino.destination(2),
	);
}

/** An error as fields: no stack, whose frames help nobody on call, and no password of a URI. */
function errorFields(error: unknown): Record<string, unknown> {
	if (!(error instanceof Error)) return { message: String(error) };
	return {
		type: error.name,
		message: redactUris(error.message),
		...("code" in error ? { code: error.code } : {}),
		...(error.cause === undefined ? {} : { cause: errorFields(error.cause) }),
	};
}

/** Text with the passwords of URIs replaced. */
export function redactUris(text: string): string {
	return text.replace(
		/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:)[^\s@/]+@/gi,
		"$1***@",
	);
}
