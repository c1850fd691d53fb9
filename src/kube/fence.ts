import { type ApiClient, ApiError } from "./client.ts";

/**
 * A client that changes nothing once `allowed` says no, and reads all the same. It is asked right before
 * each request goes out, so that what was under way when a term ended, or when this process was held
 * up beyond it, writes no more beside the next leader.
 */
export function fenceWrites(
	client: ApiClient,
	allowed: () => boolean,
): ApiClient {
	return {
		async request(request) {
			const { method = "GET", path } = request;
			if (method !== "GET" && !allowed())
				throw new ApiError(
					`${method} ${path}: not sent, because this process does not lead any more`,
					{ status: 0, reason: "NotLeading" },
				);
			return client.request(request);
		},
		lines: (request) => client.lines(request),
	};
}
