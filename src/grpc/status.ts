/**
 * Converts errors to gRPC statuses, and back. Agents show most statuses to people and do nothing else with
 * them. So a status's message has all that people need: `CODE: what was wrong, and what to do next`. Agents
 * act on a status if it says that a start may be repeated, that a task is unknown, or that the plugin has
 * ended. This program's own calls read the error itself from the metadata.
 */
import { inspect } from "node:util";
import type { ServiceError, StatusObject } from "@grpc/grpc-js";
import { Status as status } from "@grpc/grpc-js/build/src/constants.js";
import { Metadata } from "@grpc/grpc-js/build/src/metadata.js";
import { DriverError, type ErrorCode, isErrorCode } from "../base/errors.ts";
import { visible } from "../units/visible.ts";
import { DriverError as ErrorMessage } from "./generated/exec2/error.ts";
import { Status } from "./generated/grpc/status.ts";
import { RecoverableError } from "./generated/nomad/recoverable.ts";

/** The whole message for an unknown task: agents compare this text. */
const taskNotFound = "task not found for given id";

/**
 * Metadata key of the error's fields. The status's details would not do, because agents read only the first
 * detail and expect a RecoverableError there.
 */
const errorKey = "exec2-error-bin";

const detailsKey = "grpc-status-details-bin";
const recoverableType = "type.googleapis.com/hashicorp.nomad.plugins.shared.structs.RecoverableError";

/** Maximum bytes of a message: HTTP/2 peers bound the size of headers. */
const maxMessageBytes = 4096;

/**
 * Maximum bytes of a message that reaches the caller of `nomad alloc exec`. Agents prepend at most "rpc
 * error: code = FailedPrecondition desc = " and send the whole text in the close frame of a websocket. The
 * frame has room for 123 bytes (RFC 6455, 5.5). Agents cannot send a longer message at all.
 */
export const closeFrameBytes = 123 - 44;

/** Status codes; INTERNAL for all other errors. UNAVAILABLE would tell agents that the plugin has ended. */
const statusCodes: Partial<Record<ErrorCode, status>> = {
  CONFIG_INVALID: status.INVALID_ARGUMENT,
  JOB_INVALID: status.INVALID_ARGUMENT,
  HANDLE_INVALID: status.INVALID_ARGUMENT,
  SIGNAL_UNKNOWN: status.INVALID_ARGUMENT,
  UNSUPPORTED: status.UNIMPLEMENTED,
  // The code of Nomad's own plugin library.
  TASK_NOT_FOUND: status.UNKNOWN,
  TASK_EXISTS: status.ALREADY_EXISTS,
  TASK_NOT_RUNNING: status.FAILED_PRECONDITION,
  TASK_STILL_RUNNING: status.FAILED_PRECONDITION,
  EXEC_TIMED_OUT: status.DEADLINE_EXCEEDED,
  USER_FORBIDDEN: status.PERMISSION_DENIED,
  UNVEIL_NOT_ALLOWED: status.PERMISSION_DENIED,
};

/**
 * The status for anything that a handler throws.
 * @param limit maximum bytes of its message
 */
export function toStatus(thrown: unknown, limit = maxMessageBytes): StatusObject {
  if (isAbort(thrown)) {
    return { code: status.CANCELLED, details: "the call was cancelled", metadata: new Metadata() };
  }
  const { details, error } = fitted(errorBehind(thrown), limit);
  const metadata = errorMetadata(error);
  if (!error.recoverable) return { code: statusCodes[error.code] ?? status.INTERNAL, details, metadata };
  const code = status.FAILED_PRECONDITION;
  metadata.set(detailsKey, recoverableDetails(code, details));
  return { code, details, metadata };
}

/** Headers of a stream whose first message reports an error. */
export function toHeaders(error: DriverError): Metadata {
  return errorMetadata(fitted(error, maxMessageBytes).error);
}

/** Converts anything that a handler has thrown into a DriverError. */
export function errorBehind(thrown: unknown): DriverError {
  const cause = thrown instanceof Error ? thrown : inspect(thrown);
  return DriverError.from(cause, "PLUGIN_FAILED", "the driver failed unexpectedly");
}

/** The plugin's error behind a failed call. Returns a DriverError unchanged. */
export function errorOfCall(error: unknown): DriverError {
  if (!isServiceError(error)) return DriverError.from(error, "PLUGIN_FAILED", "the plugin was not reached");
  return (
    carriedError(error.metadata, error) ??
    new DriverError("PLUGIN_FAILED", `the plugin's answer is ${error.message}`, { cause: error })
  );
}

/** The error in a call's metadata; undefined if there is none, or if this version does not know its code. */
export function carriedError(metadata: Metadata, cause?: unknown): DriverError | undefined {
  const { code, summary, ...options } = messageIn(metadata) ?? {};
  if (code === undefined || summary === undefined || !isErrorCode(code)) return undefined;
  return new DriverError(code, summary, { ...options, cause });
}

/**
 * Fits an error's message into a limit. A message that is too long loses the path and the hint, and its
 * summary is cut if necessary. The returned error then lacks the same parts.
 */
function fitted(error: DriverError, limit: number): { details: string; error: DriverError } {
  const { code, message, failed, recoverable } = error;
  if (code === "TASK_NOT_FOUND") {
    return { details: taskNotFound, error: new DriverError(code, taskNotFound, { recoverable }) };
  }
  const details = visible(`${code}: ${message}`);
  if (Buffer.byteLength(details) <= limit) return { details, error };
  const errno = failed?.errno ? ` (${failed.errno})` : "";
  const summary = cut(visible(error.summary), limit - `${code}: ${errno}`.length);
  const options = { failed: failed && { call: failed.call, errno: failed.errno }, recoverable };
  return { details: `${code}: ${summary}${errno}`, error: new DriverError(code, summary, options) };
}

function cut(text: string, bytes: number): string {
  if (Buffer.byteLength(text) <= bytes) return text;
  const mark = "…";
  // encodeInto() takes whole characters only.
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

/** Metadata that carries an error. */
function errorMetadata({ code, summary, failed, hint, recoverable }: DriverError): Metadata {
  const metadata = new Metadata();
  const message = ErrorMessage.encode({ code, summary, failed, hint, recoverable });
  metadata.set(errorKey, Buffer.from(message.finish()));
  return metadata;
}

function messageIn(metadata: Metadata): ErrorMessage | undefined {
  const [bytes] = metadata.get(errorKey);
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    return ErrorMessage.decode(bytes);
  } catch {
    return undefined;
  }
}
