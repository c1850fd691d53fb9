import type { z } from "zod";
import type { ValidationRule } from "./crd.ts";

/** A rule across fields, as CEL for the API server and as a function for everything else. */
export interface CrossFieldRule<Spec> {
	readonly rule: string;
	readonly message: string;
	readonly path: readonly string[];
	readonly holds: (spec: Spec) => boolean;
}

/** The rules as the API server has them. */
export function validationRules<Spec>(
	rules: readonly CrossFieldRule<Spec>[],
): ValidationRule[] {
	return rules.map(({ rule, message, path }) => ({
		rule,
		message,
		...(path.length > 0 && { fieldPath: `.${path.join(".")}` }),
		reason: "FieldValueInvalid",
	}));
}

/** The rules as zod's `superRefine` has them. */
export function refinement<Spec>(
	rules: readonly CrossFieldRule<Spec>[],
): (spec: Spec, context: z.RefinementCtx) => void {
	return (spec, context) => {
		for (const { holds, message, path } of rules)
			if (!holds(spec))
				context.addIssue({ code: "custom", message, path: [...path] });
	};
}

/** A required field that stays as it was made. */
export function immutable(field: string, because: string): ValidationRule {
	return {
		rule: `self.${field} == oldSelf.${field}`,
		message: `${field} can't be changed: ${because}`,
		fieldPath: `.${field}`,
		reason: "FieldValueInvalid",
	};
}

/** The same of a field that need not be there, and can't come or go either. */
export function immutableOptional(
	field: string,
	because: string,
): ValidationRule {
	return {
		...immutable(field, because),
		rule: `has(self.${field}) == has(oldSelf.${field}) && (!has(self.${field}) || self.${field} == oldSelf.${field})`,
	};
}
