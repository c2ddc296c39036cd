/** Asks before something is done that a person may not expect. */
import { once } from "node:events";
import { createInterface } from "node:readline/promises";
import { DriverError } from "../../base/errors.ts";
import { printable } from "./output.ts";

/**
 * Asks on the terminal. An end of the input, or Ctrl-C, means no.
 * @param question such as `Remove /var/lib/x?`
 * @param yes whether the person has agreed on the command line; then nothing is asked
 * @throws DriverError `NOT_CONFIRMED` if there is no terminal
 */
export async function isConfirmed(question: string, yes: boolean): Promise<boolean> {
  if (yes) return true;
  const { stdin: input, stderr: output } = process;
  if (!input.isTTY || !output.isTTY) {
    throw new DriverError("NOT_CONFIRMED", `${question} Nobody can answer, because this is no terminal`, {
      hint: "Call it again with --yes",
    });
  }
  const terminal = createInterface({ input, output });
  const ended = once(terminal, "close").then(() => "");
  // Ctrl-C and Ctrl-D reject the question.
  const answered = terminal.question(printable(`${question} [y/N] `)).catch(() => "");
  try {
    const answer = await Promise.race([answered, ended]);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    terminal.close();
  }
}
