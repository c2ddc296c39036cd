/** Colours, for terminals that have them. */
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

/** Functions that apply a look to text. Looks can be nested. */
export type Style = Readonly<Record<Look, (text: string) => string>>;

/** A stream to which text for people is written. */
export type TextStream = NodeJS.WritableStream & Pick<Partial<WriteStream>, "isTTY" | "columns">;

/**
 * Colours for a terminal that has them. `FORCE_COLOR` turns colours on for any stream, and `FORCE_COLOR=0`
 * turns them off. `NO_COLOR` (no-color.org) turns them off in any case.
 */
export function styleFor(stream: TextStream): Style {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  const coloured = FORCE_COLOR ? FORCE_COLOR !== "0" : stream.isTTY === true && TERM !== "dumb";
  return styleOf(coloured && !NO_COLOR);
}

/**
 * Styles with or without colours. The caller decides, because Node's own check would also read other
 * variables and standard output.
 */
export function styleOf(coloured: boolean): Style {
  const paint = (look: Look) => (text: string) => styleText(look, text, { validateStream: false });
  return Object.fromEntries(looks.map((look) => [look, coloured ? paint(look) : String])) as Style;
}

/** Width of the terminal in columns; unlimited for a file or a pipe. */
export function widthOf(stream: TextStream): number {
  return stream.isTTY === true ? Math.max(40, stream.columns ?? 80) : Number.POSITIVE_INFINITY;
}
