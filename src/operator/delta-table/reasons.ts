/** Every reason of the condition `Ready` of a `DeltaTable`. */
export const TABLE_REASONS = {
	written: "Written",
	applied: "Applied",
	applying: "Applying",
	planned: "Planned",
	refused: "Refused",
	applyFailed: "TableApplyFailed",
	notWritten: "NotWritten",
	specInvalid: "SpecInvalid",
	pipelineMissing: "PipelineMissing",
	pipelineInvalid: "PipelineInvalid",
	nameWrong: "NameInvalid",
	objectRefused: "ApplyFailed",
} as const;

export const READY = "Ready";
