import { TributaryError } from "../errors.ts";

/**
 * One source file can't be loaded as it is; others are none the worse for it. Not retryable: its
 * content has to change, or what is asked of it.
 */
export class FileError extends TributaryError {}

/** The state of files can't be read or written: the database is away, refuses, or is in use. */
export class StateError extends TributaryError {}
