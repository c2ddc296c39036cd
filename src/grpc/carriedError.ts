/**
 * An error of the driver, field by field, beside the text of it that agents show. It goes
 * in metadata of its own: of the details of a status, agents read the first alone, and
 * take it for a RecoverableError, so that one is to be the only one.
 */
import { Metadata } from "@grpc/grpc-js";
import { DriverError, isErrorCode } from "../errors.ts";
import { DriverError as ErrorMessage } from "./generated/exec2/error.ts";

const key = "exec2-error-bin";

export function carrying({ code, summary, failed, hint, recoverable }: DriverError): Metadata {
  const metadata = new Metadata();
  const message = ErrorMessage.encode({ code, summary, failed, hint, recoverable });
  metadata.set(key, Buffer.from(message.finish()));
  return metadata;
}

/** The error that the driver has sent along; undefined where there is none, or none that this version knows. */
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
