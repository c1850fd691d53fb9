/**
 * The application id under which a table's `txn` holds the last offset of a partition. Pipeline,
 * cluster and topic are in it, so that another cluster's offsets are never taken for these.
 */
export function appId(of: {
	readonly pipeline: string;
	readonly clusterId: string;
	readonly topic: string;
	readonly partition: number;
}): string {
	return `tributary/${of.pipeline}/${of.clusterId}/${of.topic}/${of.partition}`;
}
