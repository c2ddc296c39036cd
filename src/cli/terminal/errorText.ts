/** Errors as a person reads them: what was wrong, then what to do, without a stack. */
import { DriverError, messageOf } from "../../errors.ts";
import type { Style } from "./style.ts";

/** What the command line was given makes no sense: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Begins with the error's code, which docs/errors.md explains. */
export function errorText(thrown: unknown, style: Style): string {
  if (!(thrown instanceof DriverError)) return `${style.red("error:")} ${messageOf(thrown)}`;
  const { code, message, hint } = thrown;
  const tail = `. ${hint}`;
  const summary = hint && message.endsWith(tail) ? message.slice(0, -tail.length) : message;
  return `${style.red(`${code}:`)} ${summary}${hint ? `\n${style.cyan("hint:")} ${hint}` : ""}`;
}
