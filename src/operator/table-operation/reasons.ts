/** Every reason of the condition `Complete` of a `TableOperation`. */
export const OPERATION_REASONS = {
	succeeded: "Succeeded",
	running: "Running",
	failed: "OperationFailed",
	tableMissing: "TableMissing",
	tableNotReady: "TableNotReady",
	specInvalid: "SpecInvalid",
	objectRefused: "ApplyFailed",
} as const;

export const COMPLETE = "Complete";
