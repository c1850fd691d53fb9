export interface OwnerReference {
	readonly apiVersion: string;
	readonly kind: string;
	readonly name: string;
	readonly uid: string;
	readonly controller?: boolean;
	readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
	readonly name: string;
	readonly namespace?: string;
	readonly uid?: string;
	readonly resourceVersion?: string;
	readonly generation?: number;
	readonly creationTimestamp?: string;
	readonly deletionTimestamp?: string;
	readonly labels?: Readonly<Record<string, string>>;
	readonly annotations?: Readonly<Record<string, string>>;
	readonly finalizers?: readonly string[];
	readonly ownerReferences?: readonly OwnerReference[];
}

export interface KubeObject {
	readonly apiVersion: string;
	readonly kind: string;
	readonly metadata: ObjectMeta;
}

/** Where objects of one kind are served. */
export interface ResourceType {
	/** Empty for the core group. */
	readonly group: string;
	readonly version: string;
	readonly kind: string;
	readonly plural: string;
}

/** `namespace/name`, the only thing that a work item holds. */
export function keyOf({ metadata }: KubeObject): string {
	return `${metadata.namespace ?? ""}/${metadata.name}`;
}

export function splitKey(key: string): { namespace: string; name: string } {
	const slash = key.indexOf("/");
	return { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** The path of a kind, or of one object of it, on the API server. */
export function resourcePath(
	type: ResourceType,
	at: { namespace?: string; name?: string; subresource?: string } = {},
): string {
	const root =
		type.group === ""
			? `/api/${type.version}`
			: `/apis/${type.group}/${type.version}`;
	const parts = [
		...(at.namespace ? ["namespaces", at.namespace] : []),
		type.plural,
		...(at.name ? [at.name] : []),
		...(at.subresource ? [at.subresource] : []),
	];
	return `${root}/${parts.map(encodeURIComponent).join("/")}`;
}
