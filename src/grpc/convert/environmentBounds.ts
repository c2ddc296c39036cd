/** How large the environment and the options of a task may be. Pure. */
import { DriverError } from "../../base/errors.ts";
import { countOf, formatCount } from "../../units/counts.ts";

/** Variables of a task: some 50 ms of work before its start, most of it to find their values in what is recorded. */
const maxVariables = 2_048;
/** For names and values together, and for all options. The kernel takes 2 MiB of variables and arguments, by default. */
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

/**
 * Why a task's options are more than a launch has room for; undefined if they are not. To be asked before they are
 * decoded: arguments are nearly all of large options.
 * @param encoded as the agent sends them
 */
export function optionsProblem({ length }: Uint8Array): DriverError | undefined {
  if (length <= maxBytes) return undefined;
  return new DriverError(
    "CONFIG_INVALID",
    `the task's options have ${bytesText(length)}. They may have at most ${bytesText(maxBytes)}`,
    { hint: "Pass large data in a file, such as a template's" },
  );
}

function tooLarge(what: string, allowed: string): DriverError {
  return new DriverError("CONFIG_INVALID", `the task's environment ${what}. It may have ${allowed}`, {
    hint: "Pass large data in a file, such as a template's without `env`",
  });
}

function bytesText(bytes: number): string {
  return countOf(bytes, "byte");
}
