/**
 * Reads files that are embedded in the executable. There, this file replaces the package `fs-extra`, with
 * which the parser of job files reads its WebAssembly.
 */
import { basename } from "node:path";
import { getRawAsset } from "node:sea";

/** @param path only its last part matters */
export async function readFile(path: string): Promise<Uint8Array> {
  return new Uint8Array(getRawAsset(basename(path)));
}
