/** Finds a place of a job file in its source, since the parser returns values without positions. Pure. */

export interface Position {
  /** Lines and columns are counted from 1. */
  readonly line: number;
  readonly column: number;
}

/**
 * Follows the names of a place, such as `job.web.group.main.task.server.kill_signal`, from block to block.
 * A name is searched only in the block before it, so a missing one is not found in a later block.
 * @returns undefined if the last name is not found in the blocks of the names before it
 */
export function positionOfPlace(source: string, place: string): Position | undefined {
  const outline = outlineOf(source);
  const names = place.split(".");
  let within: Region = { from: 0, to: source.length };
  let found: number | undefined;
  for (let index = 0; index < names.length; index++) {
    const [, plainName = "", number = "0"] = /^(.*?)(?:\[(\d+)\])?$/s.exec(names[index] ?? "") ?? [];
    const name = escaped(plainName);
    const label = escaped(names[index + 1] ?? "");
    let region = within;
    // The number of a block counts blocks of the same name. The number of a list's item is ignored.
    for (let skipped = 0; skipped < Number(number); skipped++) {
      const block = search(outline, region, `(?<![\\w-])"?${name}"?\\s*\\{`);
      if (block === undefined) break;
      region = { from: blockAt(outline, block, region).to, to: region.to };
    }
    const labelled = search(outline, region, `(?<![\\w-])"?${name}"?\\s+"${label}"\\s*\\{`);
    const plain = search(outline, region, `(?<![\\w-])"?${name}"?\\s*[:={]`);
    const anyLabel = search(outline, region, `(?<![\\w-])"?${name}"?\\s+"[^"\\n]*"\\s*\\{`);
    found = labelled ?? plain ?? anyLabel;
    if (found === undefined) continue;
    if (labelled !== undefined) index += 1;
    within = blockAt(outline, found, region);
  }
  return found === undefined ? undefined : positionAt(source, found);
}

/**
 * The position of a text. Undefined if neither the text nor the `whole` around it occurs exactly once in the
 * source.
 * @param whole the attribute's text or expression around the text. The source is searched for `whole` first
 */
export function positionOfText(source: string, text: string, whole = ""): Position | undefined {
  if (text === "") return undefined;
  for (const outer of [whole, whole.replace(/^\$\{(.*)\}$/s, "$1")]) {
    const start = indexOfOnly(source, outer);
    const inner = outer.indexOf(text);
    if (start !== undefined && inner >= 0) return positionAt(source, start + inner);
  }
  const index = indexOfOnly(source, text);
  return index === undefined ? undefined : positionAt(source, index);
}

function indexOfOnly(source: string, text: string): number | undefined {
  const index = text === "" ? -1 : source.indexOf(text);
  return index < 0 || source.includes(text, index + 1) ? undefined : index;
}

function positionAt(source: string, index: number): Position {
  const before = source.slice(0, index);
  return { line: before.split("\n").length, column: index - before.lastIndexOf("\n") };
}

/** A part of a source: from one index up to another. */
interface Region {
  readonly from: number;
  readonly to: number;
}

interface Outline {
  readonly source: string;
  /** The source, with spaces in place of comments and heredocs, so that all other text keeps its index. */
  readonly text: string;
  /** How many braces and brackets are open before each character. */
  readonly depths: Uint16Array;
}

/** The first match in a region, of those with the fewest braces and brackets around them. */
function search({ text, depths }: Outline, { from, to }: Region, pattern: string): number | undefined {
  const expression = new RegExp(pattern, "g");
  expression.lastIndex = from;
  let best: number | undefined;
  for (let match = expression.exec(text); match !== null && match.index < to; match = expression.exec(text)) {
    const { index } = match;
    if (best === undefined || (depths[index] ?? 0) < (depths[best] ?? 0)) best = index;
    if ((depths[best] ?? 0) <= (depths[from] ?? 0)) break;
  }
  return best;
}

/** What the braces after a name enclose; up to the region's end if there are none. */
function blockAt({ text, depths }: Outline, name: number, { to }: Region): Region {
  const header = /^(?:[^{\n]*?)[{[]/.exec(text.slice(name, to))?.[0];
  if (header === undefined) return { from: name + 1, to };
  const from = name + header.length;
  const depth = depths[from] ?? 0;
  let end = from;
  while (end < to && (depths[end] ?? 0) >= depth) end++;
  return { from, to: end };
}

let latest: Outline | undefined;

/** All problems of a file are found in one outline. */
function outlineOf(source: string): Outline {
  if (latest?.source !== source) latest = makeOutline(source);
  return latest;
}

function makeOutline(source: string): Outline {
  const text = withoutComments(source);
  const depths = new Uint16Array(text.length + 1);
  const shape = text.replaceAll(quoted, (part) => " ".repeat(part.length));
  let depth = 0;
  for (let index = 0; index < shape.length; index++) {
    depths[index] = depth;
    const character = shape[index];
    if (character === "{" || character === "[") depth++;
    else if (character === "}" || character === "]") depth = Math.max(0, depth - 1);
  }
  depths[shape.length] = depth;
  return { source, text, depths };
}

function escaped(name: string): string {
  return name.replaceAll(/[^\w]/g, "\\$&");
}

/** A string of one line. A `#` or a brace in it has no meaning. */
const quoted = /"(?:[^"\\\n]|\\.)*"/g;

/** Replaces comments and heredocs with spaces, so that all other text keeps its index. */
function withoutComments(source: string): string {
  const parts =
    /"(?:[^"\\\n]|\\.)*"|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/|<<-?(?<mark>[\w-]+)\r?\n[\s\S]*?\n[ \t]*\k<mark>(?=\r?\n|$)/g;
  return source.replaceAll(parts, (part) => (part.startsWith('"') ? part : part.replaceAll(/[^\n]/g, " ")));
}
