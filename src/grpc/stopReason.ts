/**
 * The reason for a stop, which `run` sends beside its request: the messages of Nomad's protocol have no place for it,
 * and agents send none.
 */
import { Metadata } from "@grpc/grpc-js/build/src/metadata.js";
import { visible } from "../units/visible.ts";

/** Metadata key of the reason. Values of keys with this suffix may have any bytes. */
const reasonKey = "exec2-stop-reason-bin";

/** Maximum length of a recorded reason, in characters. */
const maxReason = 200;

/** @param reason a clause, such as `bad exited with 42` */
export function stopReason(reason: string): Metadata {
  const metadata = new Metadata();
  metadata.set(reasonKey, Buffer.from(reason));
  return metadata;
}

/** The reason as it is recorded; undefined if the caller gives none. */
export function stopReasonIn(metadata: Metadata): string | undefined {
  const [value] = metadata.get(reasonKey);
  if (value === undefined) return undefined;
  const text = visible(value.toString()).slice(0, maxReason);
  return text === "" ? undefined : text;
}
