/** Go's regular expressions (RE2) in job files and templates. Pure. */
import { fail } from "./define.ts";

/** Matches patterns. Functions of job files and templates use it. */
export interface Patterns {
  /** Whether a part of the text matches. @throws TemplateError for an invalid pattern */
  readonly matches: (pattern: string, text: string) => boolean;
  /**
   * Replaces all matches, as Go's `ReplaceAllString` does: {@link expandReplacement}.
   * @throws TemplateError for an invalid pattern
   */
  readonly replaceAll: (text: string, pattern: string, replacement: string) => string;
}

export const noPatterns: Patterns = { matches: refuse, replaceAll: refuse };

function refuse(): never {
  return fail("patterns cannot be used here");
}

/**
 * Expands a replacement as Go does. `$1`, `${1}` and `${name}` stand for the texts that groups have matched,
 * and `$$` stands for a dollar sign. A group that does not exist is empty.
 * @param group the text of a group, by its number or name
 */
export function expandReplacement(
  replacement: string,
  group: (name: number | string) => string | undefined,
): string {
  return replacement.replaceAll(/\$(?:\$|(\w+)|\{(\w+)\})/g, (whole, bare?: string, braced?: string) => {
    const name = bare ?? braced;
    if (name === undefined) return whole === "$$" ? "$" : whole;
    return group(/^\d+$/.test(name) ? Number(name) : name) ?? "";
  });
}
