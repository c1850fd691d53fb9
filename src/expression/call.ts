import { type Bound, node } from "./bound.ts";
import { canCast } from "./cast.ts";
import { alike, coerce, isInteger, isNumeric } from "./coerce.ts";
import { dateFormat, truncation } from "./date-format.ts";
import { invalid, unsupported } from "./errors.ts";
import { typeText } from "./type-name.ts";

/** A call of a function of `FUNCTIONS` with as many arguments as it takes. */
export function bindCall(
	name: string,
	args: readonly Bound[],
	at: number,
): Bound {
	const [first, second] = args as [Bound, Bound];
	const call = (
		type: Bound["type"],
		made: readonly Bound[],
		fallible = false,
	): Bound => node({ kind: "call", name, args: made, type }, fallible);
	switch (name) {
		case "current_date":
			return call("date", []);
		case "current_timestamp":
			return call("timestamp", []);
		case "coalesce": {
			const alikes = alike(args, at, "mixed");
			return call((alikes[0] as Bound).type, alikes);
		}
		case "concat":
			return args.every(({ type }) => type === "binary")
				? call("binary", args)
				: call(
						"string",
						args.map((arg) => textual(arg, at)),
					);
		case "abs":
			if (!isNumeric(first.type) && first.type !== "void")
				throw invalid(`there is no abs of a ${typeText(first.type)}`, at);
			return call(first.type, args, isInteger(first.type));
		case "length":
			return call("integer", [
				first.type === "binary" ? first : textual(first, at),
			]);
		case "lower":
		case "upper":
			return call("string", [textual(first, at)]);
		case "substring": {
			const text = first.type === "binary" ? first : textual(first, at);
			return call(text.type, [
				text,
				...args.slice(1).map((arg) => coerce(arg, "integer", at)),
			]);
		}
		case "year":
		case "month":
		case "day":
			return call("integer", [coerce(first, "date", at)]);
		case "hour":
		case "minute":
		case "second":
			return call("integer", [moment(first, at)]);
		case "date_format": {
			dateFormat(constantText(second, "the format of date_format", at), at);
			return call("string", [moment(first, at), second]);
		}
		case "date_trunc": {
			truncation(constantText(first, "the unit of date_trunc", at), at);
			return call("timestamp", [
				first,
				coerce(moment(second, at), "timestamp", at),
			]);
		}
	}
	throw unsupported(`the function ${name} is not supported`, at);
}

function textual(bound: Bound, at: number): Bound {
	if (!canCast(bound.type, "string"))
		throw invalid(`a ${typeText(bound.type)} is no text`, at);
	return coerce(bound, "string", at);
}

/** A timestamp as it is; both kinds have the same fields, as the zone is UTC. */
function moment(bound: Bound, at: number): Bound {
	return bound.type === "timestamp_ntz"
		? bound
		: coerce(bound, "timestamp", at);
}

function constantText(bound: Bound, what: string, at: number): string {
	if (bound.kind !== "literal" || typeof bound.value !== "string")
		throw unsupported(`${what} has to be a string that is not computed`, at);
	return bound.value;
}
