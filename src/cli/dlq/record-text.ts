import { isUtf8 } from "node:buffer";

/** The bytes of a key, a value or a header as people read them. */
export type RecordText =
	| { readonly kind: "none" }
	/** The text as it came: a detour over values would lose digits and double names. */
	| { readonly kind: "json"; readonly text: string }
	| { readonly kind: "text"; readonly text: string }
	| { readonly kind: "base64"; readonly text: string };

export function recordText(bytes: Uint8Array | null): RecordText {
	if (bytes === null) return { kind: "none" };
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	if (!isUtf8(bytes))
		return { kind: "base64", text: buffer.toString("base64") };
	const text = buffer.toString();
	try {
		JSON.parse(text);
		return { kind: "json", text };
	} catch {
		// What is no JSON is shown as the text that it is.
		return { kind: "text", text };
	}
}

/** As a value in a document of JSON, on one line. */
export function recordJson(bytes: Uint8Array | null): string {
	const record = recordText(bytes);
	switch (record.kind) {
		case "none":
			return "null";
		case "json":
			// Between its parts, where else could a line of JSON end.
			return `{"json":${record.text.replace(/[\r\n]+/g, " ")}}`;
		case "text":
			return `{"text":${JSON.stringify(record.text)}}`;
		case "base64":
			return `{"base64":${JSON.stringify(record.text)}}`;
	}
}

/** Without what a terminal would obey. */
export function shownText(text: string): string {
	return text.replace(
		// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
		/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029]/g,
		(char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
	);
}
