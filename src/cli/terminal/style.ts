/** Colours, where somebody can see them. */
import type { WriteStream } from "node:tty";
import picocolors from "picocolors";

export type Style = ReturnType<typeof picocolors.createColors>;

/** A stream that text for people is written to. */
export type TextStream = NodeJS.WritableStream & Pick<Partial<WriteStream>, "isTTY" | "columns">;

/** Colours for a terminal, unless `NO_COLOR` is set (no-color.org) or the terminal has none. */
export function styleFor(stream: TextStream): Style {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  const wanted = FORCE_COLOR ? FORCE_COLOR !== "0" : stream.isTTY === true && TERM !== "dumb";
  return picocolors.createColors(wanted && !NO_COLOR);
}

/** Columns that text may take: the terminal's. A file or a pipe has no end of the line. */
export function widthOf(stream: TextStream): number {
  return stream.isTTY === true ? Math.max(40, stream.columns ?? 80) : Number.POSITIVE_INFINITY;
}
