/** Encodes and decodes options, which agents send as MessagePack maps. */
import { Packr, Unpackr } from "msgpackr";
import { DriverError } from "../../base/errors.ts";

/** Plain MessagePack, without the library's own extensions. */
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const packr = new Packr({ useRecords: false });

/**
 * @returns undefined if there are no bytes
 * @throws DriverError `CONFIG_INVALID` for bytes that are not one MessagePack value
 */
export function decodeMsgpack(bytes: Uint8Array): unknown {
  if (bytes.length === 0) return undefined;
  try {
    return unpackr.unpack(bytes);
  } catch (cause) {
    throw new DriverError("CONFIG_INVALID", "the options are not valid MessagePack", { cause });
  }
}

/** Encodes options as an agent does. Leaves out undefined values. */
export function encodeMsgpack(options: Readonly<Record<string, unknown>>): Buffer {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return packr.pack(Object.fromEntries(entries));
}
