/** Formats errors for people: the problem, then the hint, without a stack. */
import { DriverError, messageOf, withCall } from "../../errors.ts";
import { wrap } from "../../units/widths.ts";
import { printable } from "./print.ts";
import type { Style } from "./style.ts";

/** The text begins with the error's code, which docs/errors.md explains. */
export function errorText(thrown: unknown, style: Style, width: number): string {
  if (!(thrown instanceof DriverError))
    return printable(wrapLines(`${style.red("error:")} ${messageOf(thrown)}`, width));
  const { code, summary, failed, hint } = thrown;
  const advice = hint ? `\n${style.cyan("hint:")} ${hint}` : "";
  return printable(wrapLines(`${style.red(`${code}:`)} ${withCall(summary, failed)}${advice}`, width));
}

/** Does not wrap indented lines: they are excerpts of files. */
function wrapLines(text: string, width: number): string {
  const lines = text.split("\n");
  return lines.flatMap((line) => (line.startsWith(" ") ? line : wrap(line, width))).join("\n");
}
