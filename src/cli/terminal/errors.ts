/** Formats errors for people: the problem, then the hint, without a stack. */
import { DriverError, messageOf, withCall } from "../../errors.ts";
import { wrap } from "../../units/widths.ts";
import { printable } from "./output.ts";
import { type Style, styleFor, widthOf } from "./style.ts";

/** The text begins with the error's code, which docs/errors.md explains. */
export function formatError(thrown: unknown, style: Style, width: number): string {
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

/** Writes an error to standard error. */
export function printError(thrown: unknown): void {
  process.stderr.write(`${formatError(thrown, styleFor(process.stderr), widthOf(process.stderr))}\n`);
}

/**
 * For comparisons, whose exit code 1 means that something differs.
 * @returns the exit code of `work`; 2 after an error, which is printed
 */
export async function exitCodeOf(work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    printError(thrown);
    return 2;
  }
}
