import { ConfigError } from "../errors.ts";

/**
 * A test of whole paths by a glob: `*` and `?` stay within a folder, `**` spans any number of them,
 * `[a-z]` and `[!a-z]` are sets, `{a,b}` alternatives, and `\` takes the meaning of what follows.
 * @throws ConfigError for a glob that does not end what it begins
 */
export function globTest(glob: string): (path: string) => boolean {
	const expression = new RegExp(`^${translate(glob)}$`, "su");
	return (path) => expression.test(path);
}

/** What every path that a glob matches starts with. */
export function globPrefix(glob: string): string {
	const special = /[*?[{\\]/.exec(glob);
	return special === null ? glob : glob.slice(0, special.index);
}

function translate(glob: string): string {
	let out = "";
	let depth = 0;
	for (let i = 0; i < glob.length; i++) {
		const char = glob[i] as string;
		switch (char) {
			case "*":
				if (glob[i + 1] !== "*") out += "[^/]*";
				else if (glob[i + 2] === "/" && (i === 0 || glob[i - 1] === "/")) {
					out += "(?:.*/)?";
					i += 2;
				} else {
					out += ".*";
					i++;
				}
				break;
			case "?":
				out += "[^/]";
				break;
			case "[": {
				const end = glob.indexOf("]", i + 2);
				if (end < 0) throw unclosed(glob, "[");
				const set = glob.slice(i + 1, end);
				const negated = set.startsWith("!") || set.startsWith("^");
				const members = (negated ? set.slice(1) : set).replace(
					/[\\\]^[&~|]/g,
					"\\$&",
				);
				out += negated ? `[^/${members}]` : `[${members}]`;
				i = end;
				break;
			}
			case "{":
				out += "(?:";
				depth++;
				break;
			case "}":
				if (depth === 0) out += "\\}";
				else {
					out += ")";
					depth--;
				}
				break;
			case ",":
				out += depth > 0 ? "|" : ",";
				break;
			case "\\": {
				const next = glob[++i];
				if (next === undefined) throw unclosed(glob, "\\");
				out += literal(next);
				break;
			}
			default:
				out += literal(char);
		}
	}
	if (depth > 0) throw unclosed(glob, "{");
	return out;
}

function literal(char: string): string {
	return /[$()*+./?[\\\]^{|}]/.test(char) ? `\\${char}` : char;
}

function unclosed(glob: string, what: string): ConfigError {
	return new ConfigError(
		`the glob ${JSON.stringify(glob)} has a ${what} without its end: close it, or write \\${what} for the character`,
	);
}
