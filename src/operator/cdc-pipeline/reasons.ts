/** Every condition of a `CdcPipeline`, and every reason that one can have. */

export const CONDITIONS = {
	ready: "Ready",
	secrets: "SecretsResolved",
	connector: "ConnectorReady",
	writer: "WriterReady",
} as const;

export const REASONS = {
	running: "Running",
	paused: "Paused",
	stopped: "Stopped",
	deleting: "Deleting",
	restarted: "Restarted",
	specInvalid: "SpecInvalid",
	secretsResolved: "SecretsResolved",
	secretMissing: "SecretMissing",
	secretKeyMissing: "SecretKeyMissing",
	secretUnreadable: "SecretUnreadable",
	waitingForSecrets: "WaitingForSecrets",
	connectorCleanupFailed: "ConnectorCleanupFailed",
	connectorUnknown: "ConnectorUnknown",
	writersReady: "WritersReady",
	writersStarting: "WritersStarting",
	writersRolling: "WritersRolling",
	writersStopping: "WritersStopping",
	writerFailed: "WriterFailed",
	writerUnschedulable: "WriterUnschedulable",
	imageUnavailable: "ImageUnavailable",
	applyFailed: "ApplyFailed",
} as const;
