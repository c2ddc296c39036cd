/** Go's string functions and regular expressions (RE2), which job files and templates share. Pure. */
import { fail } from "./define.ts";

/** Removes characters of a set from both ends, as strings.Trim does. */
export function trimCutset(value: string, cutset: string): string {
  const characters = [...value];
  const first = characters.findIndex((each) => !cutset.includes(each));
  if (first < 0) return "";
  const last = characters.findLastIndex((each) => !cutset.includes(each));
  return characters.slice(first, last + 1).join("");
}

export function trimPrefix(value: string, prefix: string): string {
  return value.startsWith(prefix) ? value.slice(prefix.length) : value;
}

export function trimSuffix(value: string, suffix: string): string {
  return suffix !== "" && value.endsWith(suffix) ? value.slice(0, -suffix.length) : value;
}

/** Capitalizes the first letter of each word, as strings.Title does. */
export function titleCase(value: string): string {
  return value.replaceAll(/(?<![\p{L}\p{N}_'])\p{L}/gu, (letter) => letter.toUpperCase());
}

/**
 * Translates a pattern from Go to JavaScript.
 * @throws TemplateError for a pattern that is invalid, or has the flag `(?U)`. That flag makes all
 *   quantifiers lazy, and JavaScript has no such flag
 */
export function goPattern(pattern: string, flags = ""): RegExp {
  const [, inline = ""] = /^\(\?([ims]+)\)/.exec(pattern) ?? [];
  const body = pattern
    .slice(inline === "" ? 0 : inline.length + 3)
    .replaceAll("(?P<", "(?<")
    .replaceAll("\\A", "^")
    .replaceAll("\\z", "$")
    .replaceAll(/\[\[:(\w+):\]\]/g, (whole, name: string) => (classes[name] ? `[${classes[name]}]` : whole));
  try {
    return new RegExp(body, `${flags}u${inline}`);
  } catch {
    return fail("its pattern is not a regular expression");
  }
}

const classes: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  digit: "0-9",
  lower: "a-z",
  space: "\\s",
  upper: "A-Z",
  word: "\\w",
  xdigit: "0-9A-Fa-f",
};

/**
 * Expands a replacement for `String.replaceAll`. In it, `$1`, `${1}` and `${name}` stand for the texts that
 * groups have matched, and `$$` stands for a dollar sign.
 */
export function goReplacement(replacement: string): (...match: unknown[]) => string {
  return (...match) => {
    const named = match.at(-1);
    const groups = typeof named === "object" && named !== null ? (named as Record<string, string>) : {};
    return replacement.replaceAll(/\$(?:\$|(\w+)|\{(\w+)\})/g, (whole, bare?: string, braced?: string) => {
      const name = bare ?? braced;
      if (name === undefined) return whole === "$$" ? "$" : whole;
      const found = /^\d+$/.test(name) ? match[Number(name)] : groups[name];
      return typeof found === "string" ? found : "";
    });
  };
}
