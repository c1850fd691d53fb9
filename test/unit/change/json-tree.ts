/** JSON without loss: numbers keep their text, objects their order and duplicate names. */
export type Node = { readonly text: string } & (
	| { readonly kind: "object"; readonly entries: readonly [string, Node][] }
	| { readonly kind: "array"; readonly items: readonly Node[] }
	| { readonly kind: "string"; readonly value: string }
	| { readonly kind: "number" }
	| { readonly kind: "boolean"; readonly value: boolean }
	| { readonly kind: "null" }
);

/** @throws SyntaxError */
export function parseTree(text: string): Node {
	// The engine's own parser decides what is JSON; the rest may assume it.
	JSON.parse(text);
	let at = 0;
	const space = (): void => {
		while (/[ \t\r\n]/.test(text[at] ?? "")) at++;
	};
	const string = (): string => {
		const from = at++;
		while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
		at++;
		return JSON.parse(text.slice(from, at)) as string;
	};
	const value = (): Node => {
		space();
		const from = at;
		switch (text[at]) {
			case "{": {
				const entries: [string, Node][] = [];
				at++;
				space();
				while (text[at] !== "}") {
					if (text[at] === ",") at++;
					space();
					const name = string();
					space();
					at++;
					entries.push([name, value()]);
					space();
				}
				at++;
				return { kind: "object", entries, text: text.slice(from, at) };
			}
			case "[": {
				const items: Node[] = [];
				at++;
				space();
				while (text[at] !== "]") {
					if (text[at] === ",") at++;
					items.push(value());
					space();
				}
				at++;
				return { kind: "array", items, text: text.slice(from, at) };
			}
			case '"': {
				const content = string();
				return { kind: "string", value: content, text: text.slice(from, at) };
			}
			case "t":
				at += 4;
				return { kind: "boolean", value: true, text: "true" };
			case "f":
				at += 5;
				return { kind: "boolean", value: false, text: "false" };
			case "n":
				at += 4;
				return { kind: "null", text: "null" };
			default:
				while (/[-+.eE\d]/.test(text[at] ?? "")) at++;
				return { kind: "number", text: text.slice(from, at) };
		}
	};
	return value();
}
