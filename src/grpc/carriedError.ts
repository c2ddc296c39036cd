/**
 * Sends the fields of a DriverError, besides the text that agents show. The fields have their own metadata
 * key. The status's details would not do, because agents read only the first detail and expect a
 * RecoverableError there.
 */
import { Metadata } from "@grpc/grpc-js/build/src/metadata.js";
import { DriverError, isErrorCode } from "../errors.ts";
import { DriverError as ErrorMessage } from "./generated/exec2/error.ts";

const key = "exec2-error-bin";

/** Metadata that carries an error. */
export function errorMetadata({ code, summary, failed, hint, recoverable }: DriverError): Metadata {
  const metadata = new Metadata();
  const message = ErrorMessage.encode({ code, summary, failed, hint, recoverable });
  metadata.set(key, Buffer.from(message.finish()));
  return metadata;
}

/** The error in a call's metadata; undefined if there is none, or if this version does not know its code. */
export function carriedError(metadata: Metadata, cause?: unknown): DriverError | undefined {
  const { code, summary, ...options } = messageIn(metadata) ?? {};
  if (code === undefined || summary === undefined || !isErrorCode(code)) return undefined;
  return new DriverError(code, summary, { ...options, cause });
}

function messageIn(metadata: Metadata): ErrorMessage | undefined {
  const [bytes] = metadata.get(key);
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    return ErrorMessage.decode(bytes);
  } catch {
    return undefined;
  }
}
