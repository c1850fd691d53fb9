/** A condition as `meta/v1` defines it. */
export interface Condition {
	readonly type: string;
	readonly status: "True" | "False" | "Unknown";
	readonly reason: string;
	readonly message: string;
	readonly observedGeneration?: number;
	readonly lastTransitionTime: string;
}

export type ConditionNow = Omit<
	Condition,
	"lastTransitionTime" | "observedGeneration"
>;

/** The wanted conditions; the time of one whose status did not change stays. */
export function transition(
	before: readonly Condition[],
	now: readonly ConditionNow[],
	{ at, generation }: { at: Date; generation: number },
): Condition[] {
	return now.map((condition) => {
		const same = before.find(
			({ type, status }) =>
				type === condition.type && status === condition.status,
		);
		return {
			...condition,
			message: condition.message.slice(0, 32_768),
			observedGeneration: generation,
			lastTransitionTime:
				same?.lastTransitionTime ?? at.toISOString().replace(/\.\d{3}Z$/, "Z"),
		};
	});
}
