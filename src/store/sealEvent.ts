/** Checks events to append, and encodes their data for storage. */
import { randomFillSync } from "node:crypto";
import { DriverError } from "../base/errors.ts";
import { formatBytes } from "../units/sizes.ts";
import { SALT_BYTES, type SealedData, sealData } from "./eventRecord.ts";
import type { EventToAppend } from "./eventStore.ts";
import { MAX_NAME_BYTES } from "./recordTable.ts";

/**
 * Maximum size of an event's data. A larger event would block the event loop for longer than a whole group of
 * appends.
 */
const MAX_DATA_BYTES = 8 << 20;

/** @throws DriverError `EVENT_INVALID` if the text cannot be a stream's name */
export function checkName(stream: string): void {
  const bytes = Buffer.byteLength(stream);
  if (bytes > 0 && bytes <= MAX_NAME_BYTES && stream.isWellFormed()) return;
  throw new DriverError(
    "EVENT_INVALID",
    `not a stream's name: ${JSON.stringify(stream.slice(0, 80))} (${bytes} bytes)`,
    {
      hint: `A name is text of 1 to ${MAX_NAME_BYTES} bytes of UTF-8`,
    },
  );
}

/**
 * Encodes an event's data for storage.
 * @throws DriverError `EVENT_INVALID` for data that cannot be stored
 */
export function seal({ type, data }: EventToAppend): SealedData {
  let sealed: SealedData;
  try {
    sealed = sealData(data, freshSalt());
  } catch (thrown) {
    throw DriverError.from(thrown, "EVENT_INVALID", `data of the event ${type} cannot be stored`);
  }
  if (sealed.bytes.length <= MAX_DATA_BYTES) return sealed;
  throw new DriverError(
    "EVENT_INVALID",
    `the event ${type} has ${formatBytes(sealed.bytes.length)} of data`,
    {
      hint: `An event holds up to ${formatBytes(MAX_DATA_BYTES)}: shorten the task's arguments, or put them into a file`,
    },
  );
}

const salts = Buffer.alloc(256 * SALT_BYTES);
let saltAt = salts.length;

/** Random bytes, fetched for 256 events at once: one system call per event would cost more than its hash. */
function freshSalt(): Uint8Array {
  if (saltAt === salts.length) {
    randomFillSync(salts);
    saltAt = 0;
  }
  saltAt += SALT_BYTES;
  return salts.subarray(saltAt - SALT_BYTES, saltAt);
}
