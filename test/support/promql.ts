/** What an expression of PromQL asks for; whether it is one, promtool says. */
export interface Asked {
	readonly selectors: readonly {
		readonly metric: string;
		/** Label → the value it is matched with. */
		readonly matchers: ReadonlyMap<string, string>;
	}[];
	/** Labels after `by`, `without`, `on`, `ignoring`, `group_left` and `group_right`. */
	readonly groupings: ReadonlySet<string>;
}

const TOKEN =
	/"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\$?[a-zA-Z_:][\w:]*|\d[\w.]*(?:e[+-]?\d+)?|=~|!~|!=|[<>=]=?|[^\s]/g;
const LISTS = new Set([
	"by",
	"without",
	"on",
	"ignoring",
	"group_left",
	"group_right",
]);
const WORDS = new Set(["and", "or", "unless", "offset", "bool", "atan2"]);
const AGGREGATIONS = new Set([
	"sum",
	"min",
	"max",
	"avg",
	"count",
	"group",
	"stddev",
	"stdvar",
	"topk",
	"bottomk",
	"quantile",
	"count_values",
]);

/** Reads the metrics and labels of an expression that is known to be valid. */
export function asked(expr: string): Asked {
	const tokens = expr.match(TOKEN) ?? [];
	const selectors: { metric: string; matchers: Map<string, string> }[] = [];
	const groupings = new Set<string>();
	for (let at = 0; at < tokens.length; at++) {
		const token = tokens[at] ?? "";
		if (token === "[") {
			while (tokens[at] !== "]") at++;
			continue;
		}
		if (!/^[a-zA-Z_:]/.test(token)) continue;
		const next = tokens[at + 1];
		if (LISTS.has(token)) {
			if (next !== "(") continue;
			for (at += 2; tokens[at] !== ")"; at++)
				if (tokens[at] !== ",") groupings.add(tokens[at] ?? "");
			continue;
		}
		if (WORDS.has(token) || AGGREGATIONS.has(token) || next === "(") continue;
		const matchers = new Map<string, string>();
		if (next === "{")
			for (at += 2; tokens[at] !== "}"; at++) {
				if (tokens[at] === ",") continue;
				matchers.set(tokens[at] ?? "", (tokens[at + 2] ?? "").slice(1, -1));
				at += 2;
			}
		selectors.push({ metric: token, matchers });
	}
	return { selectors, groupings };
}
