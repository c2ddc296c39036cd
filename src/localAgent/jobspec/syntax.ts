/**
 * Parses HCL2 and JSON to plain data, and selects blocks in these data. HashiCorp's own parser, compiled to
 * WebAssembly, parses HCL2. Blocks become `{type: {label: [body]}}`, and attributes become their values.
 * Expressions stay template text, `"${…}"`, with their escapes. Pure.
 */

import { messageOf } from "../../base/errors.ts";
import { InvalidFile, type JobFile, problemAt, rejectJob, report } from "./jobFile.ts";
import type { Position } from "./source/positions.ts";

/**
 * A map of attributes and blocks. A block is a body or a list of bodies. Each label wraps the block in one
 * more map.
 */
export type Body = Readonly<Record<string, unknown>>;

interface LabelledBlock {
  readonly label: string;
  readonly block: Body;
}

/**
 * Parses HCL2, or JSON if the first character is a brace.
 * @throws InvalidFile with the position of each error
 */
export async function parseFile(file: JobFile): Promise<Body> {
  return isJson(file) ? parseJson(file) : parseHcl(file);
}

export function isJson({ source }: Pick<JobFile, "source">): boolean {
  return /^\s*\{/.test(source);
}

/** @throws InvalidFile with the position of each error */
async function parseHcl(file: JobFile): Promise<Body> {
  // Loaded on demand: the parser is 2 MB of WebAssembly that no other part of the program needs.
  const { parse } = await import("@cdktn/hcl2json");
  try {
    // The parser gets no file name, because its errors would quote the name, and a name may look like a
    // position.
    return await parse("", file.source);
  } catch (thrown) {
    return rejectSyntax(file, "HCL2", thrown);
  }
}

/** @throws InvalidFile with the error's position, if V8's message has a position */
export function parseJson(file: JobFile): Body {
  try {
    return JSON.parse(file.source) as Body;
  } catch (thrown) {
    return rejectSyntax(file, "JSON", thrown);
  }
}

function rejectSyntax(file: JobFile, language: string, thrown: unknown): never {
  const problems = readSyntaxErrors(messageOf(thrown)).map(({ message, position }) =>
    problemAt(file, { place: "", message: `this is not valid ${language}: ${message}` }, position),
  );
  throw new InvalidFile(problems);
}

export interface SyntaxProblem {
  readonly message: string;
  /** Undefined if the parser's message has no position. */
  readonly position: Position | undefined;
}

/**
 * Reads the errors out of a parser's message. The parsers have no fields for the errors: the WebAssembly
 * returns only the text of its Go errors, and V8's `SyntaxError` has only a message. If another version of a
 * parser words its messages differently, the messages are shown unchanged, without a position.
 * @returns at least one error, in the order of lines. Of several errors in a line, only the first is
 *   returned, because it usually causes the others
 */
export function readSyntaxErrors(text: string): readonly SyntaxProblem[] {
  const [, hcl] = hclErrors.exec(text) ?? [];
  const texts = hcl === undefined ? [text] : hcl.split(betweenHclErrors);
  const found = texts.map((each): SyntaxProblem => {
    const { message, line, column } = (hclError.exec(each) ?? jsonError.exec(each))?.groups ?? {};
    return message === undefined
      ? { message: each, position: undefined }
      : {
          message: message.replace("; ", ": ").replaceAll(otherPlace, "in line $1"),
          position: { line: Number(line), column: Number(column) },
        };
  });
  // An unclosed quote gives the same error again in each line after it.
  const once = found.filter(
    ({ message }, index) => found.findIndex((other) => other.message === message) === index,
  );
  const lines = new Map(once.toReversed().map((each) => [each.position?.line ?? 0, each]));
  return [...lines.values()].toSorted((a, b) => (a.position?.line ?? 0) - (b.position?.line ?? 0));
}

const hclErrors = /^parse config: \[(:\d+,\d+.*)\]$/s;
const betweenHclErrors = / (?=:\d+,\d+(?:-[\d,]+)?: )/;
/** `:<line>,<column>-…: <title>; <explanation>`. */
const hclError = /^:(?<line>\d+),(?<column>\d+)(?:-[\d,]+)?: (?<message>.+)$/s;

/** An explanation may point to another place. */
const otherPlace = /at :(\d+),[\d,-]+/g;

const jsonError = /^(?<message>.+) in JSON at position \d+ \(line (?<line>\d+) column (?<column>\d+)\)$/s;

/** The body of a block that may occur at most once; empty if the block is absent. */
export function body(file: JobFile, place: string, value: unknown): Body {
  const [first, second] = asList(value);
  if (second !== undefined) return rejectJob(file, { place, message: "there may be only one such block" });
  if (first === undefined) return {};
  if (typeof first !== "object" || Array.isArray(first)) {
    return rejectJob(file, { place, message: "a block is expected here, not a single value" });
  }
  return first as Body;
}

/** The blocks of one type. The value may be absent, one block, or a list. */
export function asList(value: unknown): readonly NonNullable<unknown>[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item) => item !== undefined && item !== null);
}

/** Blocks with one label, in the order of the parser, which sorts them. */
export function labelled(file: JobFile, place: string, value: unknown): LabelledBlock[] {
  const blocks = asList(value).flatMap((map) =>
    Object.entries(body(file, place, map)).map(([label, block]) => ({
      label,
      block: body(file, `${place}.${label}`, block),
    })),
  );
  const labels = new Set<string>();
  return blocks.filter(({ label }) => {
    const isFirst = !labels.has(label);
    labels.add(label);
    if (!isFirst) report(file, { place: `${place}.${label}`, message: "the name is used twice" });
    return isFirst;
  });
}
