/** How large the environment of a task may be. Pure. */
import { DriverError } from "../../base/errors.ts";
import { countOf, formatCount } from "../../units/counts.ts";

/** Variables of a task: some 50 ms of work before its start, most of it to find their values in what is recorded. */
const maxVariables = 2_048;
/** The same for their names and values together. The kernel takes 2 MiB with the arguments, by default. */
const maxBytes = 1024 * 1024;
/** Of one variable with its `=` and NUL byte: MAX_ARG_STRLEN of execve(2). */
const maxVariableBytes = 128 * 1024;

/**
 * Why a task's environment takes too long to be looked at, or execve(2) cannot pass it; undefined if it is small
 * enough. To be asked before anything else is done with it.
 * @param parts as the agent sends them
 */
export function environmentProblem(parts: readonly ReadonlyMap<string, string>[]): DriverError | undefined {
  const count = parts.reduce((sum, { size }) => sum + size, 0);
  if (count > maxVariables)
    return tooLarge(`has ${formatCount(count)} variables`, `at most ${formatCount(maxVariables)} of them`);
  let bytes = 0;
  for (const [name, value] of parts.flatMap((part) => [...part])) {
    const own = Buffer.byteLength(name) + Buffer.byteLength(value) + 2;
    // The text after "=" may be part of a value.
    const shown = JSON.stringify(name.split("=", 1)[0]?.slice(0, 64));
    if (own > maxVariableBytes)
      return tooLarge(
        `has ${bytesText(own)} in variable ${shown}`,
        `at most ${bytesText(maxVariableBytes)} in one`,
      );
    bytes += own;
  }
  if (bytes <= maxBytes) return undefined;
  return tooLarge(`has ${bytesText(bytes)}`, `at most ${bytesText(maxBytes)}`);
}

function tooLarge(what: string, allowed: string): DriverError {
  return new DriverError("CONFIG_INVALID", `the task's environment ${what}. It may have ${allowed}`, {
    hint: "Pass large data in a file, such as a template's without `env`",
  });
}

function bytesText(bytes: number): string {
  return countOf(bytes, "byte");
}
