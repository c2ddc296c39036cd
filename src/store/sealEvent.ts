/** What is appended, checked and brought into its stored form. */
import { randomFillSync } from "node:crypto";
import { DriverError } from "../errors.ts";
import { SALT_BYTES, type SealedData, sealData } from "./eventRecord.ts";
import type { EventToAppend } from "./eventStore.ts";
import { MAX_NAME_BYTES } from "./recordTable.ts";

/** Above this a single event would hold up the event loop for longer than a whole group. */
const MAX_DATA_BYTES = 8 << 20;
/** @throws DriverError `EVENT_INVALID` for what cannot be a stream's name */
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
 * An event's data as they will be stored.
 * @throws DriverError `EVENT_INVALID` for data that cannot be
 */
export function seal({ type, data }: EventToAppend): SealedData {
  let sealed: SealedData;
  try {
    sealed = sealData(data, freshSalt());
  } catch (thrown) {
    throw DriverError.from(thrown, "EVENT_INVALID", `data of the event ${type} cannot be stored`);
  }
  if (sealed.bytes.length <= MAX_DATA_BYTES) return sealed;
  throw new DriverError("EVENT_INVALID", `the event ${type} has ${sealed.bytes.length} bytes of data`, {
    hint: `An event holds up to ${MAX_DATA_BYTES}`,
  });
}

const salts = Buffer.alloc(256 * SALT_BYTES);
let saltAt = salts.length;

/** Random bytes, drawn from the kernel for 256 events at a time: each by itself would cost more than its hash. */
function freshSalt(): Uint8Array {
  if (saltAt === salts.length) {
    randomFillSync(salts);
    saltAt = 0;
  }
  saltAt += SALT_BYTES;
  return salts.subarray(saltAt - SALT_BYTES, saltAt);
}
