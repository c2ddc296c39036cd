/**
 * Reads files that are embedded in the executable. The build replaces a package's `fs-extra` with this file.
 */
import { basename } from "node:path";
import { getRawAsset } from "node:sea";

/** @param path only its last part matters */
export async function readFile(path: string): Promise<Uint8Array> {
  return new Uint8Array(getRawAsset(basename(path)));
}
