/** Reads files that people write. */
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { DriverError, type ErrorCode } from "../../errors.ts";

/**
 * @param path `-` reads standard input
 * @param the kind of the file for errors, such as `job file`
 * @returns its text, without a byte order mark
 * @throws DriverError with this code if it cannot be read, or is not UTF-8
 */
export async function readTextFile(path: string, code: ErrorCode, what: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = path === "-" ? await buffer(process.stdin) : await readFile(path);
  } catch (thrown) {
    throw DriverError.from(thrown, code, `the ${what} cannot be read`);
  }
  const text = decoded(bytes);
  if (text !== undefined) return text;
  const summary = `the ${what} is not a text file: ${path}`;
  throw new DriverError(code, summary, isUtf16(bytes) ? { hint: "It is UTF-16: save it as UTF-8" } : {});
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.includes("\0") ? undefined : text;
  } catch {
    return undefined;
  }
}

function isUtf16([first, second]: Uint8Array): boolean {
  return (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
}
