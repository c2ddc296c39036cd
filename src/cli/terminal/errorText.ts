/** Errors as a person reads them: what was wrong, then what to do, without a stack. */
import { DriverError, messageOf, withCall } from "../../errors.ts";
import { wrap } from "../../units/widths.ts";
import { printable } from "./print.ts";
import type { Style } from "./style.ts";

/** Begins with the error's code, which docs/errors.md explains. */
export function errorText(thrown: unknown, style: Style, width: number): string {
  if (!(thrown instanceof DriverError))
    return printable(wrapLines(`${style.red("error:")} ${messageOf(thrown)}`, width));
  const { code, summary, failed, hint } = thrown;
  const advice = hint ? `\n${style.cyan("hint:")} ${hint}` : "";
  return printable(wrapLines(`${style.red(`${code}:`)} ${withCall(summary, failed)}${advice}`, width));
}

/** Indented lines stay as they are: they show a piece of a file. */
function wrapLines(text: string, width: number): string {
  const lines = text.split("\n");
  return lines.flatMap((line) => (line.startsWith(" ") ? line : wrap(line, width))).join("\n");
}
