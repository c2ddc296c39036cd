/** Text from elsewhere, made safe to show on a terminal or a page. Pure. */

/**
 * Characters that are unsafe to print: control characters, line and paragraph separators, invisible
 * characters, characters that change the direction of text, and unpaired surrogates. Joiners and
 * variation selectors are safe: scripts and emoji need them.
 */
const unsafe = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const everyUnsafe = new RegExp(unsafe, "gu");

/**
 * Replaces unsafe characters with visible symbols, such as `␊` for a newline. To be used for every name, path
 * and text from a job, a history or another host before it is shown. Such a text can then neither end its
 * line, nor change colours, nor control the terminal.
 */
export function visible(text: string): string {
  return unsafe.test(text) ? text.replaceAll(everyUnsafe, symbolOf) : text;
}

/** Like {@link visible}, but keeps line ends. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}

/** A copy of an object, with its texts made visible. */
export function visibleTexts<T extends object>(fields: T): T {
  const shown = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? visible(value) : value,
  ]);
  return Object.fromEntries(shown) as T;
}

/** JSON, compact or indented, with unsafe characters as escapes. */
export function visibleJson(value: unknown, indent?: number): string {
  const json = JSON.stringify(value, undefined, indent);
  return json
    .split("\n")
    .map((line) => line.replaceAll(everyUnsafe, escapeOf))
    .join("\n");
}

function symbolOf(character: string): string {
  const code = character.charCodeAt(0);
  if (code < 0x20) return String.fromCharCode(0x2400 + code);
  return code === 0x7f ? "␡" : "\ufffd";
}

function escapeOf(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    return `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`;
  }).join("");
}
