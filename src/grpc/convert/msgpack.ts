/** The MessagePack maps in which agents send options. */
import { Packr, Unpackr } from "msgpackr";
import { DriverError } from "../../errors.ts";

/** Plain MessagePack, without the library's own extensions. */
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true });
const packr = new Packr({ useRecords: false });

/**
 * @returns undefined for no bytes at all
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

/** What an agent sends for options; undefined values are left out. */
export function encodeMsgpack(options: Readonly<Record<string, unknown>>): Buffer {
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return packr.pack(Object.fromEntries(given));
}
