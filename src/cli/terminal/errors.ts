/** Formats errors for people: the problem, then the hint, without a stack. */
import { DriverError, messageOf, withCall } from "../../errors.ts";
import { visibleLines } from "../../units/visible.ts";
import { wrap } from "../../units/widths.ts";
import { type Style, styleFor, widthOf } from "./style.ts";

/** The text begins with the error's code, which docs/errors.md explains. Only that and the hint begin a line. */
export function formatError(thrown: unknown, style: Style, width: number): string {
  if (!(thrown instanceof DriverError)) return paragraph(style.red("error:"), messageOf(thrown), width);
  const { code, summary, failed, hint } = thrown;
  const problem = paragraph(style.red(`${code}:`), withCall(summary, failed), width);
  return hint ? `${problem}\n${paragraph(style.cyan("hint:"), hint, width)}` : problem;
}

/** Indents all lines but the first: a foreign name in the text may hold a newline. */
function paragraph(head: string, text: string, width: number): string {
  const [first = "", ...rest] = visibleLines(text).split("\n");
  const indented = rest.map((line) => (line.startsWith(" ") ? line : `  ${line}`));
  return [...wrap(`${head} ${first}`, width), ...indented].join("\n");
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
