/**
 * Parses HCL2 to plain data with HashiCorp's own parser, as WebAssembly. Blocks
 * become `{type: {label: [body]}}` and attributes their values. Expressions stay
 * template text, `"${…}"`, with their escapes.
 */
import { messageOf } from "../errors.ts";
import { excerptAt, type JobFile, rejectJob } from "./jobFile.ts";

/** @throws DriverError `JOB_INVALID` with line, column and the source line */
export async function parseHcl(file: JobFile): Promise<Record<string, unknown>> {
  // Loaded on demand: it is 2 MB of WebAssembly that no other part of the program needs.
  const { parse } = await import("@cdktn/hcl2json");
  try {
    return await parse(file.name, file.source);
  } catch (thrown) {
    return rejectSyntax(file, messageOf(thrown));
  }
}

/** The parser's first error: `[<file>:<line>,<column>[-…]: <title>; <explanation>]`. */
const diagnostic = /:(\d+),(\d+)(?:-[\d,]+)?: ([^;]+); (.+?)(?:, and \d+ other diagnostic\(s\))?\]?$/s;

function rejectSyntax(file: JobFile, message: string): never {
  const match = diagnostic.exec(message);
  if (!match) return rejectJob(file, { place: "", message: `this is not valid HCL2: ${message}` });
  const [, line, column, title, explanation] = match;
  const excerpt = excerptAt(file.source, Number(line), Number(column));
  const located = { ...file, name: `${file.name}:${line}:${column}` };
  return rejectJob(located, { place: "", message: `${title}: ${explanation}\n${excerpt}` });
}
