/**
 * Parses HCL2 and JSON to plain data. HCL2 is parsed by HashiCorp's own parser, as
 * WebAssembly: blocks become `{type: {label: [body]}}` and attributes their values.
 * Expressions stay template text, `"${…}"`, with their escapes.
 */
import { messageOf } from "../errors.ts";
import type { Body } from "./body.ts";
import { excerptAt, type JobFile, rejectJob } from "./jobFile.ts";

/** @throws DriverError `JOB_INVALID` with line, column and the source line */
export async function parseHcl(file: JobFile): Promise<Body> {
  // Loaded on demand: it is 2 MB of WebAssembly that no other part of the program needs.
  const { parse } = await import("@cdktn/hcl2json");
  try {
    // Its errors quote the file's name, which could look like a position.
    return await parse("", file.source);
  } catch (thrown) {
    return rejectSyntax(file, "HCL2", thrown);
  }
}

/** @throws DriverError `JOB_INVALID` with line, column and the source line, if V8 tells them */
export function parseJson(file: JobFile): Body {
  try {
    return JSON.parse(file.source) as Body;
  } catch (thrown) {
    return rejectSyntax(file, "JSON", thrown);
  }
}

function rejectSyntax(file: JobFile, language: string, thrown: unknown): never {
  const { message, line, column } = readSyntaxError(messageOf(thrown));
  const located = line === 0 ? file : { ...file, name: `${file.name}:${line}:${column}` };
  const excerpt = line === 0 ? "" : `\n${excerptAt(file.source, line, column)}`;
  return rejectJob(located, { place: "", message: `this is not valid ${language}: ${message}${excerpt}` });
}

/**
 * Reads the position out of a parser's message. Neither parser has fields for it: the
 * WebAssembly passes on only the text of its Go error, and V8's `SyntaxError` has only
 * a message. If another version words its messages differently, they are shown as they
 * are, and only the position is missing.
 * @returns line and column, both from 1; 0 if the message has no position
 */
export function readSyntaxError(text: string): { message: string; line: number; column: number } {
  const {
    message = text,
    line = 0,
    column = 0,
  } = (hclError.exec(text) ?? jsonError.exec(text))?.groups ?? {};
  return { message: message.replace("; ", ": "), line: Number(line), column: Number(column) };
}

/** Only the first of several errors: `[:<line>,<column>-…: <title>; <explanation>, and 2 other diagnostic(s)]`. */
const hclError =
  /\[:(?<line>\d+),(?<column>\d+)(?:-[\d,]+)?: (?<message>.+?)(?:, and \d+ other diagnostic\(s\))?\]$/s;

const jsonError = /^(?<message>.+) in JSON at position \d+ \(line (?<line>\d+) column (?<column>\d+)\)$/s;
