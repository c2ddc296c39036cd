/**
 * The driver's only kind of error. Every failure that reaches a person is a
 * {@link DriverError}. It has a stable code, names the operation that failed and
 * the operation's object, and says what to do next.
 */
import { visible } from "../units/visible.ts";

/** Stable codes: documented in docs/errors.md, never renamed once released. */
export const errorCodes = [
  "CONFIG_INVALID",
  "UNSUPPORTED",
  "TASK_NOT_FOUND",
  "TASK_AMBIGUOUS",
  "TASK_EXISTS",
  "TASK_NOT_RUNNING",
  "TASK_STILL_RUNNING",
  "TASK_LOST",
  "HANDLE_INVALID",
  "COMMAND_NOT_FOUND",
  "COMMAND_NOT_EXECUTABLE",
  "WORK_DIR_INVALID",
  "PATH_NOT_FOUND",
  "COPY_FAILED",
  "ACCESS_INVALID",
  "SANDBOX_UNKNOWN",
  "PROOF_IMPOSSIBLE",
  "USER_UNKNOWN",
  "USER_FORBIDDEN",
  "USER_IN_USE",
  "CGROUP_MISSING",
  "CGROUP_WRITE_FAILED",
  "CGROUP_UNSUPPORTED",
  "NETWORK_NAMESPACE_INVALID",
  "EGRESS_UNAVAILABLE",
  "LOG_PIPE_UNSAFE",
  "LOG_PIPE_NO_READER",
  "LOG_MISSING",
  "LOG_TIMES_MISSING",
  "JOURNAL_UNAVAILABLE",
  "LANDLOCK_UNAVAILABLE",
  "UNVEIL_PATH_MISSING",
  "UNVEIL_PATH_UNSAFE",
  "UNVEIL_NOT_ALLOWED",
  "FILE_SYSTEM_SILENT",
  "MOUNT_SOURCE_MISSING",
  "MOUNT_SOURCE_INVALID",
  "MOUNT_TARGET_INVALID",
  "IDMAP_REFUSED",
  "ROOT_DIR_INVALID",
  "DISK_LIMIT_UNAVAILABLE",
  "SIGNAL_UNKNOWN",
  "EXEC_TIMED_OUT",
  "LAUNCH_FAILED",
  "KERNEL_CALL_FAILED",
  "STATE_DIR_IN_USE",
  "STATE_DIR_UNUSABLE",
  "STATE_DIR_UNMARKED",
  "NOT_CONFIRMED",
  "STORE_FAILED",
  "STORE_DAMAGED",
  "WRONG_EXPECTED_VERSION",
  "EVENT_INVALID",
  "EVENT_TOO_NEW",
  "MACHINE_INVALID",
  "BUNDLE_INVALID",
  "KEY_INVALID",
  "SIGNATURE_MISSING",
  "SIGNATURE_INVALID",
  "EDITS_INVALID",
  "EXPRESSION_INVALID",
  "JOB_INVALID",
  "JOB_NEEDS_CLUSTER",
  "OUTPUT_FAILED",
  "TRACES_NOT_SENT",
  "PROMETHEUS_FAILED",
  "NOMAD_UNREACHABLE",
  "NOMAD_REFUSED",
  "NOMAD_FAILED",
  "RUN_FOLDER_UNUSABLE",
  "PLUGIN_FAILED",
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Whether this version knows a code that comes from outside this process. */
export function isErrorCode(code: string): code is ErrorCode {
  return (errorCodes as readonly string[]).includes(code);
}

/** The kernel call (or file operation) behind an error. */
export interface FailedCall {
  /** Name of the system call or library function, such as `landlock_add_rule`. */
  readonly call: string;
  /** The path (or other object) it was applied to. */
  readonly path?: string | undefined;
  /** Symbolic errno, such as `ENOENT`. */
  readonly errno?: string | undefined;
}

export interface DriverErrorOptions {
  readonly failed?: FailedCall | undefined;
  /** One sentence that tells a person what to do next. */
  readonly hint?: string | undefined;
  /**
   * Whether another attempt may succeed later; Nomad then restarts the task. The default is true for an errno
   * that reports a shortage on the host.
   */
  readonly recoverable?: boolean | undefined;
  /** The wrong option of a task or of the plugin, by its name in HCL. */
  readonly option?: string | undefined;
  readonly cause?: unknown;
}

/** Errors of a host that is short of space, files or processes. The host may have enough a moment later. */
const transientErrnos: ReadonlySet<string | undefined> = new Set([
  "EAGAIN",
  "EDQUOT",
  "EMFILE",
  "ENFILE",
  "ENOSPC",
]);

/**
 * An error with a stable {@link ErrorCode}. `message` is complete: what was
 * wrong, then the failed call in parentheses, then the hint. Only people read
 * it: programs read the fields.
 */
export class DriverError extends Error {
  override readonly name = "DriverError";
  readonly code: ErrorCode;
  /** What was wrong, without call and hint. */
  readonly summary: string;
  readonly failed: FailedCall | undefined;
  readonly hint: string | undefined;
  readonly recoverable: boolean;
  readonly option: string | undefined;

  constructor(code: ErrorCode, summary: string, options: DriverErrorOptions = {}) {
    super(composeMessage(summary, options), { cause: options.cause });
    this.code = code;
    this.summary = summary;
    this.failed = options.failed;
    this.hint = options.hint;
    this.recoverable = options.recoverable ?? transientErrnos.has(options.failed?.errno);
    this.option = options.option;
  }

  /**
   * Turns anything that was thrown into a DriverError; returns a DriverError unchanged. If what was begun could
   * not be undone either, the error is the first one.
   */
  static from(
    thrown: unknown,
    code: ErrorCode,
    summary: string,
    advice?: Pick<DriverErrorOptions, "hint">,
  ): DriverError {
    if (thrown instanceof DriverError) return thrown;
    if (thrown instanceof SuppressedError) return DriverError.from(thrown.suppressed, code, summary, advice);
    const failed = failedCallOf(thrown);
    const options = { cause: thrown, failed, ...advice };
    return new DriverError(code, failed ? summary : `${summary}: ${messageOf(thrown)}`, options);
  }

  /** The same error with a context before its summary. */
  within(context: string, { recoverable }: Pick<DriverErrorOptions, "recoverable"> = this): DriverError {
    const { code, summary, failed, hint, option } = this;
    const options = { failed, hint, recoverable, option, cause: this };
    return new DriverError(code, `${context}: ${summary}`, options);
  }
}

/** What was wrong, with the failed call in parentheses. */
export function withCall(summary: string, failed: FailedCall | null | undefined): string {
  if (!failed) return summary;
  const { call, path, errno } = failed;
  return `${summary} (${call}${path === undefined ? "" : ` ${path}`}${errno ? `: ${errno}` : ""})`;
}

/** An error as one line of visible characters, for a task's own output, which may be a terminal. */
export function lineOf({ code, message }: DriverError): string {
  return visible(`nomad-driver-exec2: ${code}: ${message}`.replaceAll(/\s*\n\s*/g, " "));
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof SuppressedError) return messageOf(thrown.suppressed);
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** The symbolic errno of an error that Node's own file calls threw, such as `ENOENT`. */
export function errnoOf(thrown: unknown): string | undefined {
  const code = (thrown as NodeJS.ErrnoException | null | undefined)?.code;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** Whether the host refused something for now: it is short of files, memory or space, or a disk fails. */
export function isShortage(thrown: unknown): boolean {
  const errno = thrown instanceof DriverError ? thrown.failed?.errno : errnoOf(thrown);
  return transientErrnos.has(errno) || errno === "ENOMEM" || errno === "EIO";
}

/** Whether an error came from a call that failed with this errno: a DriverError, or one of Node's own. */
export function hasErrno(thrown: unknown, errno: string): boolean {
  return (thrown instanceof DriverError ? thrown.failed?.errno : errnoOf(thrown)) === errno;
}

function failedCallOf(thrown: unknown): FailedCall | undefined {
  const errno = errnoOf(thrown);
  const error = thrown as NodeJS.ErrnoException & { readonly dest?: string };
  if (errno === undefined || error.syscall === undefined) return undefined;
  // If the call has two paths, these errnos are about the path that the call writes to.
  const path = errnosOfDestination.has(errno) ? (error.dest ?? error.path) : error.path;
  return { call: error.syscall, errno, ...(path === undefined ? {} : { path }) };
}

const errnosOfDestination: ReadonlySet<string> = new Set(["EDQUOT", "ENOSPC", "EROFS"]);

function composeMessage(summary: string, { failed, hint }: DriverErrorOptions): string {
  return `${withCall(summary, failed)}${hint ? `. ${hint}` : ""}`;
}
