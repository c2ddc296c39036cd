/** Reads files that people write. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { DriverError, type ErrorCode } from "../../base/errors.ts";
import { formatBytes } from "../../units/sizes.ts";

/**
 * Reads a file.
 * @param path `-` reads standard input
 * @param what the kind of the file for errors, such as `job file`
 * @returns the file's text, without a byte order mark
 * @throws DriverError with this code if the file cannot be read, is too large, or is not UTF-8
 */
export async function readTextFile(path: string, code: ErrorCode, what: string): Promise<string> {
  const bytes = await readBytes(path, code, what);
  const text = decoded(bytes);
  if (text !== undefined) return text;
  const summary = `the ${what} is not a text file: ${path}`;
  throw new DriverError(code, summary, isUtf16(bytes) ? { hint: "It is UTF-16: save it as UTF-8" } : {});
}

/** Reads a file of any bytes. Like {@link readTextFile}. */
export async function readBytes(path: string, code: ErrorCode, what: string): Promise<Uint8Array> {
  if (path !== "-" && (await isNamedPipe(path))) {
    const hint = "- reads standard input: - < PIPE";
    throw new DriverError(code, `the ${what} is a named pipe: ${path}`, { hint });
  }
  let bytes: Uint8Array | undefined;
  try {
    bytes = await readBounded(path === "-" ? process.stdin : createReadStream(path));
  } catch (thrown) {
    // The error of a failed read does not name the file.
    throw DriverError.from(Object.assign(thrown as Error, { path }), code, `the ${what} cannot be read`);
  }
  if (bytes === undefined) {
    throw new DriverError(code, `the ${what} is larger than ${formatBytes(maxBytes)}: ${path}`);
  }
  return bytes;
}

/**
 * Whether opening the path would wait until somebody writes. A shell's `<(command)` is a pipe that somebody
 * has opened already; it is below /dev or /proc.
 */
async function isNamedPipe(path: string): Promise<boolean> {
  if (/^\/(dev|proc)\//.test(path)) return false;
  const status = await stat(path).catch(() => undefined);
  return status?.isFIFO() ?? false;
}

/** Maximum size. No file that a person writes is nearly as large. */
const maxBytes = 64 * 1024 * 1024;

/** Undefined if there are too many bytes, as in /dev/zero, which has no end. */
async function readBounded(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxBytes) return undefined;
  }
  return Buffer.concat(chunks);
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
