/**
 * The one place where errors become gRPC statuses, and back. Apart from
 * recoverable starts an agent shows a status and acts on nothing in it, so its
 * message tells people all: `CODE: what was wrong, and what to do next`. This
 * program's own calls read the error itself, which goes beside it (carriedError.ts).
 */
import { inspect } from "node:util";
import { Metadata, type ServiceError, type StatusObject, status } from "@grpc/grpc-js";
import { DriverError, type ErrorCode } from "../errors.ts";
import { carriedError, carrying } from "./carriedError.ts";
import { Status } from "./generated/grpc/status.ts";
import { RecoverableError } from "./generated/nomad/recoverable.ts";

/** The whole message of an unknown task: agents compare the text. */
const taskNotFound = "task not found for given id";

const detailsKey = "grpc-status-details-bin";
const recoverableType = "type.googleapis.com/hashicorp.nomad.plugins.shared.structs.RecoverableError";

/** Bytes of a message; HTTP/2 peers bound the size of headers. */
const messageBytes = 4096;

/**
 * Bytes of a message that whoever calls `nomad alloc exec` gets to read. Agents put at most
 * "rpc error: code = FailedPrecondition desc = " before it, and all of it into the close frame
 * of a websocket, which takes 123 (RFC 6455, 5.5): a longer one they cannot send at all.
 */
export const closeFrameBytes = 123 - 44;

/** Codes that are not INTERNAL. None is UNAVAILABLE: agents take that for the plugin's end. */
const statusCodes: Partial<Record<ErrorCode, status>> = {
  CONFIG_INVALID: status.INVALID_ARGUMENT,
  JOB_INVALID: status.INVALID_ARGUMENT,
  HANDLE_INVALID: status.INVALID_ARGUMENT,
  SIGNAL_UNKNOWN: status.INVALID_ARGUMENT,
  UNSUPPORTED: status.UNIMPLEMENTED,
  // What Nomad's own plugin library makes of it.
  TASK_NOT_FOUND: status.UNKNOWN,
  TASK_EXISTS: status.ALREADY_EXISTS,
  TASK_NOT_RUNNING: status.FAILED_PRECONDITION,
  TASK_STILL_RUNNING: status.FAILED_PRECONDITION,
  EXEC_TIMED_OUT: status.DEADLINE_EXCEEDED,
  USER_FORBIDDEN: status.PERMISSION_DENIED,
};

/**
 * The status of anything that a handler throws.
 * @param limit bytes of its message
 */
export function toStatus(thrown: unknown, limit = messageBytes): StatusObject {
  if (isAbort(thrown)) {
    return { code: status.CANCELLED, details: "the call was cancelled", metadata: new Metadata() };
  }
  const { details, error } = fitted(errorBehind(thrown), limit);
  const metadata = carrying(error);
  if (!error.recoverable) return { code: statusCodes[error.code] ?? status.INTERNAL, details, metadata };
  const code = status.FAILED_PRECONDITION;
  metadata.set(detailsKey, recoverableDetails(code, details));
  return { code, details, metadata };
}

/** Headers of a stream that begins with the telling of an error. */
export function toHeaders(error: DriverError): Metadata {
  return carrying(fitted(error, messageBytes).error);
}

/** What a handler has thrown, as an error of the driver. */
export function errorBehind(thrown: unknown): DriverError {
  const cause = thrown instanceof Error ? thrown : inspect(thrown);
  return DriverError.from(cause, "PLUGIN_FAILED", "the driver failed unexpectedly");
}

/** The error behind a failed call, as the plugin's side had it; what is no failed call stays what it is. */
export function errorOfCall(error: unknown): DriverError {
  if (!isServiceError(error)) return DriverError.from(error, "PLUGIN_FAILED", "the plugin was not reached");
  return (
    carriedError(error.metadata, error) ??
    new DriverError("PLUGIN_FAILED", `the plugin's answer is ${error.message}`, { cause: error })
  );
}

/**
 * The message of an error, and as much of the error as that tells: where not all of it
 * fits, of the failed call only the errno, and no hint.
 */
function fitted(error: DriverError, limit: number): { details: string; error: DriverError } {
  const { code, message, failed, recoverable } = error;
  if (code === "TASK_NOT_FOUND") {
    return { details: taskNotFound, error: new DriverError(code, taskNotFound, { recoverable }) };
  }
  const details = `${code}: ${message}`.toWellFormed();
  if (Buffer.byteLength(details) <= limit) return { details, error };
  const errno = failed?.errno ? ` (${failed.errno})` : "";
  const summary = cut(error.summary.toWellFormed(), limit - `${code}: ${errno}`.length);
  const options = { failed: failed && { call: failed.call, errno: failed.errno }, recoverable };
  return { details: `${code}: ${summary}${errno}`, error: new DriverError(code, summary, options) };
}

function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const mark = "…";
  // It takes whole characters only.
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(bytes - Buffer.byteLength(mark)));
  return text.slice(0, read) + mark;
}

function recoverableDetails(code: status, message: string): Buffer {
  const value = RecoverableError.encode({ recoverable: true }).finish();
  const details = [{ typeUrl: recoverableType, value: Buffer.from(value) }];
  return Buffer.from(Status.encode({ code, message, details }).finish());
}

function isServiceError(thrown: unknown): thrown is ServiceError {
  return thrown instanceof Error && "details" in thrown && "metadata" in thrown;
}

function isAbort(thrown: unknown): boolean {
  return thrown instanceof Error && thrown.name === "AbortError";
}
