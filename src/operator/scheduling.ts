import type { Scheduling } from "../resource/scheduling.ts";

/** The part of a pod that says where it runs; nothing for what nobody asked for. */
export function podScheduling(
	{ nodeSelector, tolerations, priorityClassName }: Scheduling = {
		nodeSelector: {},
		tolerations: [],
	},
): object {
	return {
		...(Object.keys(nodeSelector).length > 0 && { nodeSelector }),
		...(tolerations.length > 0 && { tolerations }),
		...(priorityClassName !== undefined && { priorityClassName }),
	};
}
