/** Finds a place of a job file in its source, since the parser returns values without positions. Pure. */

export interface Position {
  /** Lines and columns are counted from 1. */
  readonly line: number;
  readonly column: number;
}

/**
 * Follows the names of a place, such as `job.web.group.main.task.server.kill_signal`, from block to block.
 * @returns undefined if the last name is not found after the names before it
 */
export function positionOfPlace(source: string, place: string): Position | undefined {
  const text = withoutComments(source);
  const names = place.split(".");
  let found: number | undefined;
  for (let at = 0, index = 0; index < names.length; index++) {
    const [, plainName = "", number = "0"] = /^(.*?)(?:\[(\d+)\])?$/s.exec(names[index] ?? "") ?? [];
    const name = escaped(plainName);
    const label = escaped(names[index + 1] ?? "");
    // The number of a block counts blocks of the same name. The number of a list's item is ignored.
    for (let skipped = 0; skipped < Number(number); skipped++) {
      const block = search(text, at, `(?<![\\w-])"?${name}"?\\s*\\{`);
      if (block === undefined) break;
      at = block + 1;
    }
    const labelled = search(text, at, `(?<![\\w-])"?${name}"?\\s+"${label}"\\s*\\{`);
    const plain = search(text, at, `(?<![\\w-])"?${name}"?\\s*[:={]`);
    found = labelled ?? plain;
    if (found === undefined) continue;
    if (labelled !== undefined) index += 1;
    at = found + 1;
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

function search(text: string, from: number, pattern: string): number | undefined {
  const expression = new RegExp(pattern, "g");
  expression.lastIndex = from;
  return expression.exec(text)?.index;
}

function escaped(name: string): string {
  return name.replaceAll(/[^\w]/g, "\\$&");
}

/**
 * Replaces comments with spaces, so that all other text keeps its position. A `#` in quotes begins no
 * comment.
 */
function withoutComments(source: string): string {
  const parts = /"(?:[^"\\\n]|\\.)*"|#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return source.replaceAll(parts, (part) => (part.startsWith('"') ? part : part.replaceAll(/[^\n]/g, " ")));
}
