/**
 * Changes attributes in the source of an HCL file, and leaves everything else as a person wrote it. The
 * parser returns values without positions, so a scanner finds blocks and attributes. The scanner knows
 * strings with templates in them, heredocs and comments. Pure.
 */

/** A block or an attribute in a body. Positions are offsets in the source. */
type Item =
  | {
      readonly kind: "block";
      readonly names: readonly string[];
      readonly open: number;
      readonly close: number;
    }
  | { readonly kind: "attribute"; readonly name: string; readonly start: number; readonly end: number };

/** Names of a block and its labels, such as `["task", "web"]`; undefined stands for any label. */
export type BlockNames = readonly (string | undefined)[];

/**
 * Adds texts or numbers to the end of a list in a block. If the attribute's value is another expression, such
 * as a variable, it is wrapped in `concat`. A missing attribute is added.
 * @returns undefined if there is no such block, or more than one
 */
export function addToList(
  source: string,
  path: readonly BlockNames[],
  name: string,
  items: readonly (string | number)[],
): string | undefined {
  const body = bodyOf(source, path);
  if (body === undefined) return undefined;
  if (items.length === 0) return source;
  const literals = items.map(literalOf);
  const present = attributeIn(source, body, name);
  if (present === undefined) {
    const indent = `${body.indent}  `;
    return addAttribute(
      source,
      body,
      name,
      `[\n${literals.map((each) => `${indent}${each},\n`).join("")}${body.indent}]`,
    );
  }
  const value = source.slice(present.start, present.end);
  if (!value.startsWith("[") || matching(source, present.start) !== present.end - 1)
    return replaced(source, present, `concat(${value}, [${literals.join(", ")}])`);
  return replaced(source, present, longerList(value, literals, body.indent));
}

/**
 * Sets an attribute of a block.
 * @param value an expression in HCL
 * @returns undefined if there is no such block, or more than one
 */
export function setAttribute(
  source: string,
  path: readonly BlockNames[],
  name: string,
  value: string,
): string | undefined {
  const body = bodyOf(source, path);
  if (body === undefined) return undefined;
  const present = attributeIn(source, body, name);
  return present === undefined ? addAttribute(source, body, name, value) : replaced(source, present, value);
}

interface Body {
  readonly open: number;
  readonly close: number;
  /** Indentation of the body's attributes. */
  readonly indent: string;
}

function bodyOf(source: string, path: readonly BlockNames[]): Body | undefined {
  let [open, close] = [-1, source.length];
  for (const names of path) {
    const found = itemsIn(source, open + 1, close).filter(
      (item) =>
        item.kind === "block" &&
        item.names.length === names.length &&
        names.every((name, index) => name === undefined || name === item.names[index]),
    );
    const [block, second] = found;
    if (block?.kind !== "block" || second !== undefined) return undefined;
    ({ open, close } = block);
  }
  return { open, close, indent: indentIn(source, open, close) };
}

function attributeIn(source: string, { open, close }: Body, name: string) {
  return itemsIn(source, open + 1, close).find((item) => item.kind === "attribute" && item.name === name) as
    | Extract<Item, { kind: "attribute" }>
    | undefined;
}

/**
 * The indentation of the body's first line. For an empty body: the block's own indentation and two more
 * spaces.
 */
function indentIn(source: string, open: number, close: number): string {
  const first = /^\{[^\n]*\n(?:[ \t]*\n)*([ \t]+)\S/.exec(source.slice(open, close));
  if (first?.[1] !== undefined) return first[1];
  const line = source.slice(source.lastIndexOf("\n", open) + 1, open);
  return `${/^[ \t]*/.exec(line)?.[0] ?? ""}  `;
}

/** Adds an attribute after the body's last line. */
function addAttribute(source: string, { open, close, indent }: Body, name: string, value: string): string {
  const inside = source.slice(open + 1, close);
  const rest = /[ \t]*$/.exec(inside)?.[0] ?? "";
  const isOneLine = !inside.includes("\n");
  const line = source.slice(source.lastIndexOf("\n", open) + 1, open);
  const closing = isOneLine ? (/^[ \t]*/.exec(line)?.[0] ?? "") : rest;
  const before = isOneLine
    ? inside.trim() === ""
      ? "\n"
      : `\n${indent}${inside.trim()}\n`
    : inside.slice(0, inside.length - rest.length);
  return `${source.slice(0, open + 1)}${before}${indent}${name} = ${value}\n${closing}${source.slice(close)}`;
}

function replaced(source: string, { start, end }: { start: number; end: number }, value: string): string {
  return source.slice(0, start) + value + source.slice(end);
}

/** Appends items to a list. If the list has several lines, each new item gets its own line. */
function longerList(list: string, literals: readonly string[], indent: string): string {
  const inside = list.slice(1, -1);
  const last = lastToken(inside);
  const isEmpty = last === undefined;
  const comma = isEmpty || last.text === "," ? "" : ",";
  if (!inside.includes("\n")) {
    const items = inside.trim().replace(/,$/, "");
    return `[${[...(items === "" ? [] : [items]), ...literals].join(", ")}]`;
  }
  const end = last?.end ?? 0;
  const own = /\n([ \t]+)\S/.exec(inside)?.[1] ?? `${indent}  `;
  // Text that follows the last item, such as a comment, stays after that item.
  const rest = inside.slice(end);
  const closing = /\n[ \t]*$/.exec(rest)?.[0] ?? `\n${indent}`;
  const tail = rest.slice(0, rest.length - (/\n[ \t]*$/.exec(rest)?.[0].length ?? 0));
  return `[${inside.slice(0, end)}${comma}${tail}${literals.map((each) => `\n${own}${each},`).join("")}${closing}]`;
}

/** A string or number as an HCL literal. Escapes `${` and `%{`, which would begin a template. */
function literalOf(item: string | number): string {
  return JSON.stringify(item).replaceAll(/[$%](?=\{)/g, (sign) => sign + sign);
}

function lastToken(text: string): { readonly text: string; readonly end: number } | undefined {
  let last: { text: string; end: number } | undefined;
  for (let at = 0; at < text.length; ) {
    const end = tokenEnd(text, at);
    const token = text.slice(at, end);
    if (!isSpace(token)) last = { text: token, end };
    at = end;
  }
  return last;
}

function isSpace(token: string): boolean {
  return /^(?:\s|#|\/\/|\/\*)/.test(token);
}

/** The items of a body between two offsets. Stops at text that is neither a block nor an attribute. */
function itemsIn(source: string, from: number, to: number): Item[] {
  const items: Item[] = [];
  for (let at = skipSpace(source, from, to); at < to; at = skipSpace(source, at, to)) {
    const name = wordAt(source, at);
    if (name === undefined) return items;
    at = skipSpace(source, at + name.length, to);
    if (source[at] === "=" && source[at + 1] !== "=") {
      const start = skipBlanks(source, at + 1);
      const end = valueEnd(source, start, to);
      items.push({ kind: "attribute", name: unquoted(name), start, end });
      at = end;
      continue;
    }
    const names = [unquoted(name)];
    for (let label = wordAt(source, at); label !== undefined; label = wordAt(source, at)) {
      names.push(unquoted(label));
      at = skipSpace(source, at + label.length, to);
    }
    const close = source[at] === "{" ? matching(source, at) : undefined;
    if (close === undefined) return items;
    items.push({ kind: "block", names, open: at, close });
    at = close + 1;
  }
  return items;
}

/** The end of an expression. Outside of brackets, an expression ends at the end of a line or at a comment. */
function valueEnd(source: string, start: number, to: number): number {
  let end = start;
  for (let at = start; at < to; ) {
    if (source[at] === "\n") break;
    const close = /[([{]/.test(source[at] ?? "") ? matching(source, at) : undefined;
    const next = close === undefined ? tokenEnd(source, at) : close + 1;
    const token = source.slice(at, next);
    if (/^(?:#|\/\/)/.test(token)) break;
    if (!isSpace(token)) end = next;
    at = next;
  }
  return end;
}

const closing: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/** The offset of the bracket that closes the bracket at `open`. */
function matching(source: string, open: number): number | undefined {
  const close = closing[source[open] ?? ""];
  for (let at = open + 1; at < source.length; ) {
    const character = source[at] ?? "";
    if (character === close) return at;
    if (character in closing) {
      const inner = matching(source, at);
      if (inner === undefined) return undefined;
      at = inner + 1;
    } else at = tokenEnd(source, at);
  }
  return undefined;
}

/** The end of a string, heredoc, comment, word, or single character that begins at an offset. */
function tokenEnd(source: string, at: number): number {
  const rest = source.slice(at, at + 3);
  if (rest.startsWith('"')) return stringEnd(source, at);
  if (rest.startsWith("#") || rest.startsWith("//")) return lineEnd(source, at);
  if (rest.startsWith("/*")) {
    const end = source.indexOf("*/", at + 2);
    return end === -1 ? source.length : end + 2;
  }
  if (rest.startsWith("<<")) return heredocEnd(source, at);
  return at + (wordAt(source, at)?.length ?? 1);
}

function stringEnd(source: string, start: number): number {
  for (let at = start + 1; at < source.length; at++) {
    const two = source.slice(at, at + 2);
    if (source[at] === "\\") at++;
    else if (two === "$$" || two === "%%") at++;
    else if (two === "${" || two === "%{") at = matching(source, at + 1) ?? source.length;
    else if (source[at] === '"') return at + 1;
  }
  return source.length;
}

function heredocEnd(source: string, at: number): number {
  heredoc.lastIndex = at;
  const [opening, word] = heredoc.exec(source) ?? [];
  if (opening === undefined) return at + 2;
  const end = new RegExp(`^[ \\t]*${word}[ \\t]*\\r?$`, "m");
  const rest = source.slice(at + opening.length);
  const found = end.exec(rest);
  return found === null ? source.length : at + opening.length + found.index + found[0].length;
}

const heredoc = /<<-?([\w-]+)[ \t]*\r?\n/y;

function lineEnd(source: string, at: number): number {
  const end = source.indexOf("\n", at);
  return end === -1 ? source.length : end;
}

/** The name at an offset, with its quotes if there are any. */
function wordAt(source: string, at: number): string | undefined {
  word.lastIndex = at;
  return word.exec(source)?.[0];
}

const word = /"(?:[^"\\\n]|\\.)*"|[\p{L}_][\p{L}\p{N}_-]*/uy;

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll(/\\(.)/g, "$1") : name;
}

function skipBlanks(source: string, from: number): number {
  let at = from;
  while (/[ \t]/.test(source[at] ?? "")) at++;
  return at;
}

/** Skips white space, comments, and the commas and semicolons of one-line bodies. */
function skipSpace(source: string, from: number, to: number): number {
  let at = from;
  while (at < to) {
    const end = tokenEnd(source, at);
    if (!isSpace(source.slice(at, end)) && !/^[,;]$/.test(source.slice(at, end))) break;
    at = end;
  }
  return at;
}
