/** Lines of styled pieces, which are cut and wrapped before they are coloured. Pure. */
import { visible } from "../../units/visible.ts";
import { beginningOf, cellsOf } from "../../units/widths.ts";
import type { Look, Style } from "./style.ts";

export interface Span {
  /** Without control characters. */
  readonly text: string;
  readonly looks: readonly Look[];
}

export type Line = readonly Span[];

/** Makes a span from any text. Control characters become visible. */
export function span(text: string, ...looks: readonly Look[]): Span {
  return { text: visible(text), looks };
}

export function widthOfLine(line: Line): number {
  return line.reduce((sum, { text }) => sum + cellsOf(text), 0);
}

/** Cuts a line to `width` cells and marks the cut with `…`. */
export function cutLine(line: Line, width: number): Line {
  if (widthOfLine(line) <= width) return line;
  if (width <= 0) return [];
  const [head] = splitLine(line, width - 1);
  return [...head, { text: "…", looks: head.at(-1)?.looks ?? [] }];
}

/** Cuts or pads a line to exactly `width` cells. */
export function fillLine(line: Line, width: number): Line {
  const cut = cutLine(line, width);
  const missing = width - widthOfLine(cut);
  return missing <= 0 ? cut : [...cut, { text: " ".repeat(missing), looks: [] }];
}

/** Wraps a line at words where possible. */
export function wrapLine(line: Line, width: number, indent = 0): Line[] {
  const margin: Line = indent > 0 && indent < width ? [{ text: " ".repeat(indent), looks: [] }] : [];
  const lines: Line[] = [];
  let rest = line;
  while (widthOfLine(rest) > cellsFor(lines.length)) {
    const [head, tail] = splitAtWord(rest, cellsFor(lines.length));
    lines.push(lines.length === 0 ? head : [...margin, ...head]);
    rest = tail;
  }
  return [...lines, lines.length === 0 ? rest : [...margin, ...rest]];

  /** Cells for the text of a line: at least two, since some characters need two. */
  function cellsFor(index: number): number {
    return Math.max(2, index === 0 || margin.length === 0 ? width : width - indent);
  }
}

/** The line as text, coloured. */
export function paintLine(line: Line, style: Style): string {
  return line.map(({ text, looks }) => looks.reduce((painted, look) => style[look](painted), text)).join("");
}

/** Breaks after the last space that fits. If this space is in the line's first half, breaks inside a word. */
function splitAtWord(line: Line, width: number): [Line, Line] {
  const [head, tail] = splitLine(line, width);
  const text = head.map((each) => each.text).join("");
  const space = text.lastIndexOf(" ");
  if (tail[0]?.text.startsWith(" ")) return [head, trimStart(tail)];
  if (space < text.length / 2) return [head, tail];
  const [before, after] = splitLine(line, cellsOf(text.slice(0, space + 1)));
  return [before, after];
}

function trimStart([first, ...rest]: Line): Line {
  return first === undefined ? [] : [{ ...first, text: first.text.slice(1) }, ...rest];
}

/** The part of a line that fits, and the rest. */
function splitLine(line: Line, width: number): [Line, Line] {
  const head: Span[] = [];
  let left = width;
  for (const [index, each] of line.entries()) {
    const fitting = beginningOf(each.text, left);
    if (fitting !== "") head.push({ ...each, text: fitting });
    if (fitting.length < each.text.length) {
      return [head, [{ ...each, text: each.text.slice(fitting.length) }, ...line.slice(index + 1)]];
    }
    left -= cellsOf(fitting);
  }
  return [head, []];
}
