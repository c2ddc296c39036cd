/** Colours, where somebody can see them. */
import type { WriteStream } from "node:tty";
import { styleText } from "node:util";

const looks = [
  "bold",
  "dim",
  "red",
  "green",
  "yellow",
  "blue",
  "magenta",
  "cyan",
  "inverse",
  "underline",
] as const;
export type Look = (typeof looks)[number];

/** What makes text look so; looks can be put into one another. */
export type Style = Readonly<Record<Look, (text: string) => string>>;

/** A stream that text for people is written to. */
export type TextStream = NodeJS.WritableStream & Pick<Partial<WriteStream>, "isTTY" | "columns">;

/** Colours for a terminal, unless `NO_COLOR` is set (no-color.org) or the terminal has none. */
export function styleFor(stream: TextStream): Style {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  const wanted = FORCE_COLOR ? FORCE_COLOR !== "0" : stream.isTTY === true && TERM !== "dumb";
  return styleOf(wanted && !NO_COLOR);
}

/** Whether there are colours is decided here alone: Node would look at other variables, too, and at standard output. */
export function styleOf(coloured: boolean): Style {
  const paint = (look: Look) => (text: string) => styleText(look, text, { validateStream: false });
  return Object.fromEntries(looks.map((look) => [look, coloured ? paint(look) : String])) as Style;
}

/** Columns that text may take: the terminal's. A file or a pipe has no end of the line. */
export function widthOf(stream: TextStream): number {
  return stream.isTTY === true ? Math.max(40, stream.columns ?? 80) : Number.POSITIVE_INFINITY;
}
