/**
 * Go's regular expressions, by re2js. Its time is linear in the length of the text. But many matches, each of
 * which searches the rest of the text, may still take long, so that all patterns of a file share a time limit.
 */
import { createContext, Script } from "node:vm";
import { type Matcher, RE2JS, RE2JSException } from "re2js";
import { formatDuration } from "../../units/durations.ts";
import { fail } from "../jobspec/expressions/functions/define.ts";
import { expandReplacement, type Patterns } from "../jobspec/expressions/functions/patterns.ts";

/** Patterns of real job files take less than a millisecond. */
const defaultLimitMs = 5_000;

/** @param limitMs time for all uses together, in milliseconds */
export function goPatterns(limitMs = defaultLimitMs): Patterns {
  const compiled = new Map<string, RE2JS>();
  let leftMs = limitMs;
  const compile = (pattern: string) => {
    const known = compiled.get(pattern) ?? RE2JS.compile(pattern);
    compiled.set(pattern, known);
    return known;
  };
  const limited = <T>(work: () => T): T => {
    const began = performance.now();
    try {
      // Not 0, because that would mean no limit.
      return runFor(Math.max(1, Math.ceil(leftMs)), work);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ERR_SCRIPT_EXECUTION_TIMEOUT")
        return fail(`the patterns of the file take longer than ${formatDuration(limitMs)}`);
      if (thrown instanceof RE2JSException) return fail(`its pattern is invalid: ${thrown.message}`);
      throw thrown;
    } finally {
      leftMs -= performance.now() - began;
    }
  };
  return {
    matches: (pattern, text) => limited(() => compile(pattern).matcher(text).find()),
    replaceAll: (text, pattern, replacement) => limited(() => replaced(text, compile(pattern), replacement)),
  };
}

function replaced(text: string, pattern: RE2JS, replacement: string): string {
  const names = new Set(Object.keys(pattern.namedGroups()));
  const matcher = pattern.matcher(text);
  let result = "";
  let end = 0;
  while (matcher.find()) {
    // As in Go, an empty match directly after a match does not count.
    if (matcher.end() === end && matcher.start() > 0) continue;
    result += text.slice(end, matcher.start());
    result += expandReplacement(replacement, (name) => groupOf(matcher, names, name));
    end = matcher.end();
  }
  return result + text.slice(end);
}

function groupOf(matcher: Matcher, names: ReadonlySet<string>, name: number | string): string | undefined {
  const exists = typeof name === "number" ? name <= matcher.groupCount() : names.has(name);
  return exists ? (matcher.group(name) ?? undefined) : undefined;
}

/** The context holds only the work to run. */
const context = createContext({ work: undefined as unknown });
const script = new Script("work()");

/** @throws Error `ERR_SCRIPT_EXECUTION_TIMEOUT` after this time; V8 ends the work wherever it is */
function runFor<T>(milliseconds: number, work: () => T): T {
  context.work = work;
  try {
    return script.runInContext(context, { timeout: milliseconds }) as T;
  } finally {
    context.work = undefined;
  }
}
