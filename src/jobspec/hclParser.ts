/**
 * HCL2 to plain data, through HashiCorp's own parser as WebAssembly. Blocks
 * become `{type: {label: [body]}}`, attributes their values, and whatever is an
 * expression stays as template text, `"${…}"`, with its escapes.
 */
import { messageOf } from "../errors.ts";
import { excerptAt, type JobFile, rejectJob } from "./jobFile.ts";

/** @throws DriverError `JOB_INVALID` with line, column and the source line */
export async function parseHcl(file: JobFile): Promise<Record<string, unknown>> {
  // Some 2 MB of WebAssembly: nothing else of the program needs it.
  const { parse } = await import("@cdktn/hcl2json");
  try {
    return await parse(file.name, file.source);
  } catch (thrown) {
    return rejectSyntax(file, messageOf(thrown));
  }
}

/** The parser's first complaint: `[<file>:<line>,<column>[-…]: <title>; <explanation>]`. */
const complaint = /:(\d+),(\d+)(?:-[\d,]+)?: ([^;]+); (.+?)(?:, and \d+ other diagnostic\(s\))?\]?$/s;

function rejectSyntax(file: JobFile, message: string): never {
  const match = complaint.exec(message);
  if (!match) return rejectJob(file, { place: "", message: `this is not valid HCL2: ${message}` });
  const [, line, column, title, explanation] = match;
  const excerpt = excerptAt(file.source, Number(line), Number(column));
  const located = { ...file, name: `${file.name}:${line}:${column}` };
  return rejectJob(located, { place: "", message: `${title}: ${explanation}\n${excerpt}` });
}
