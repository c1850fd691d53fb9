import type { Decoded } from "../../../src/change/change.ts";
import {
	type ConnectSchema,
	parseSchema,
	type TypedField,
	typedFields,
} from "../../../src/change/connect-schema.ts";
import { type Node, parseTree } from "./json-tree.ts";

export interface ReferenceEnvelope {
	readonly op: string;
	readonly before: Node | undefined;
	readonly after: Node | undefined;
	readonly fields: readonly TypedField[] | undefined;
	/** What the message is when it is no change. */
	readonly other: Decoded | undefined;
}

/** @throws SyntaxError when it is no object */
export function envelopeOf(tree: Node): ReferenceEnvelope {
	let op = "";
	let before: Node | undefined;
	let after: Node | undefined;
	let handled = false;
	let status = false;
	let ddl = false;
	let fields: readonly TypedField[] | undefined;
	const visit = (node: Node, outermost: boolean): void => {
		if (node.kind !== "object") throw new SyntaxError("no object");
		for (const [name, value] of node.entries) {
			if (name === "op" && value.kind === "string") op = value.value;
			else if (name === "before")
				before = value.kind === "null" ? undefined : value;
			else if (name === "after")
				after = value.kind === "null" ? undefined : value;
			else if (name === "status") status = true;
			else if (name === "ddl") ddl = true;
			else if (name === "ts_ms")
				handled =
					/^\d{1,19}$/.test(value.text) &&
					Number.isSafeInteger(Number(value.text));
			else if (name === "schema")
				fields =
					value.kind === "object"
						? rowFields(parseSchema(value.text))
						: undefined;
			else if (name === "payload" && outermost && value.kind === "object")
				visit(value, false);
		}
	};
	visit(tree, true);
	const other = (): Decoded | undefined => {
		if (["c", "u", "d", "r", "t"].includes(op)) return undefined;
		if (ddl) return { kind: "skip", reason: "schema-change" };
		if (status) return { kind: "skip", reason: "transaction" };
		if (op === "m") return { kind: "skip", reason: "message" };
		if (op === "" && handled && after === undefined && before === undefined)
			return { kind: "skip", reason: "heartbeat" };
		return { kind: "dead-letter", code: "ENVELOPE_UNKNOWN", message: "" };
	};
	return { op, before, after, fields, other: other() };
}

export class BadKey extends Error {}

/** @throws BadKey without a key */
export function keyPayload(key: Uint8Array | null): Node {
	if (key === null || key.length === 0) throw new BadKey();
	const tree = parseTree(utf8(key));
	if (tree.kind !== "object") return tree;
	const payload = tree.entries.findLast(([name]) => name === "payload")?.[1];
	const schema = tree.entries.some(([name]) => name === "schema");
	return schema && payload !== undefined ? payload : tree;
}

/** @throws TypeError when it is not UTF-8 */
export function utf8(bytes: Uint8Array): string {
	return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
		bytes,
	);
}

function rowFields(schema: ConnectSchema): readonly TypedField[] | undefined {
	const row = schema.fields?.find(
		({ field }) => field === "after" || field === "before",
	);
	return row?.type === "struct" ? typedFields(row) : undefined;
}
