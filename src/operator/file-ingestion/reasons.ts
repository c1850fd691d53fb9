/** Every condition of a `FileIngestion`, and every reason that one can have. */

export const INGESTION_CONDITIONS = {
	ready: "Ready",
	secrets: "SecretsResolved",
	worker: "WorkerReady",
	files: "FilesLoaded",
} as const;

export const INGESTION_REASONS = {
	watching: "Watching",
	suspended: "Suspended",
	specInvalid: "SpecInvalid",
	secretsResolved: "SecretsResolved",
	waitingForSecrets: "WaitingForSecrets",
	workersReady: "WorkersReady",
	workersStarting: "WorkersStarting",
	workerFailed: "WorkerFailed",
	workerHindered: "WorkerHindered",
	ingestionFailed: "IngestionFailed",
	loaded: "Loaded",
	filesFailed: "FilesFailed",
	unknown: "Unknown",
	objectRefused: "ApplyFailed",
} as const;
