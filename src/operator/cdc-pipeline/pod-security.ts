import { type SecretValue, secretEnvName } from "../../resource/secrets.ts";

/** User and group of every process in the image. */
const USER = 65_532;

/** Of every pod that the operator makes: the restricted profile. */
export const POD_SECURITY = {
	runAsNonRoot: true,
	runAsUser: USER,
	runAsGroup: USER,
	fsGroup: USER,
	seccompProfile: { type: "RuntimeDefault" },
} as const;

export const CONTAINER_SECURITY = {
	allowPrivilegeEscalation: false,
	readOnlyRootFilesystem: true,
	runAsNonRoot: true,
	capabilities: { drop: ["ALL"] },
	seccompProfile: { type: "RuntimeDefault" },
} as const;

/** A value of a Secret as a variable of a container; the operator itself never sees it. */
export function secretVariable({
	name,
	key,
	optional,
}: Pick<SecretValue, "name" | "key" | "optional">): object {
	return {
		name: secretEnvName(name, key),
		valueFrom: {
			secretKeyRef: { name, key, ...(optional && { optional }) },
		},
	};
}
