import { TributaryError } from "../../errors.ts";
import { ApiError } from "../../kube/client.ts";

export type CdcErrorCode =
	| "CLUSTER_UNREACHABLE"
	| "CLUSTER_DENIED"
	| "CLUSTER_REFUSED"
	| "CLUSTER_WITHOUT_TRIBUTARY"
	| "PIPELINE_NOT_FOUND"
	| "PIPELINE_NOT_DONE";

/** What a command of `kubectl cdc` could not do. */
export class CdcError extends TributaryError {
	declare readonly code: CdcErrorCode;

	constructor(
		code: CdcErrorCode,
		message: string,
		options: { cause?: unknown } = {},
	) {
		super(code, message, options);
	}
}

/** What was asked of the API server, in the words of RBAC. */
export interface Asked {
	readonly verb: "get" | "list" | "create" | "patch";
	/** Such as `cdcpipelines.tributary.dev` or `pods/log`. */
	readonly resource: string;
	readonly namespace?: string | undefined;
}

/** The error of the API server as one that a person can act on. */
export function clusterError(error: unknown, asked: Asked): unknown {
	if (!(error instanceof ApiError)) return error;
	const { verb, resource, namespace } = asked;
	const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
	const cause = { cause: error };
	switch (error.status) {
		case 0:
			return new CdcError(
				"CLUSTER_UNREACHABLE",
				`the API server does not answer: check --context and the network (${error.message})`,
				cause,
			);
		case 401:
			return new CdcError(
				"CLUSTER_DENIED",
				"the API server does not accept your credentials: log in again, or use another --context",
				cause,
			);
		case 403:
			return new CdcError(
				"CLUSTER_DENIED",
				`you may not ${verb} ${resource}${where}: you need a Role with the verb ${verb} on ${resource}; check with kubectl auth can-i ${verb} ${resource}${namespace === undefined ? " -A" : ` -n ${namespace}`}`,
				cause,
			);
		default:
			return new CdcError(
				"CLUSTER_REFUSED",
				error.message.replace(/^[A-Z]+ \S+: \d+ /, ""),
				cause,
			);
	}
}
