import { z } from "zod";

/** The name of an object, or of a namespace. */
export const objectName = z
	.string()
	.min(1)
	.max(253)
	.regex(/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/, "must be a Kubernetes name");

export const secretRef = z
	.strictObject({ name: objectName.describe("Of the Secret.") })
	.describe("A Secret in the namespace of the resource.");

export const secretKeyRef = z
	.strictObject({
		name: objectName.describe("Of the Secret."),
		key: z
			.string()
			.min(1)
			.max(253)
			.regex(/^[-._a-zA-Z0-9]+$/, "must be letters, digits, '-', '_' or '.'")
			.describe("Of the value in the Secret."),
	})
	.describe("One key of a Secret in the namespace of the resource.");

/** Keys of a Secret with storage credentials, for descriptions of fields that refer to one. */
export const STORAGE_SECRET =
	"A Secret with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where needed, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL. Without it the pod's own identity is used.";

/** The name of a column, or the path of one in a struct. */
export const columnName = z.string().min(1).max(255);
