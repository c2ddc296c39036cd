/** Files in the executable, for a package that reads a file of its own. */
import { basename } from "node:path";
import { getRawAsset } from "node:sea";

/** @param path only its last part matters */
export async function readFile(path: string): Promise<Uint8Array> {
  return new Uint8Array(getRawAsset(basename(path)));
}
