/** Text from elsewhere, made safe to show on a terminal or a page. Pure. */

/**
 * Everything that is not simply written: controls, line and paragraph separators,
 * characters that turn the direction of writing or are invisible, and unpaired
 * surrogates. Joiners and variation selectors stay: scripts and emoji need them.
 */
const unsafe = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const everyUnsafe = new RegExp(unsafe, "gu");

/**
 * Shows characters that are not simply written as symbols, such as `␊` for a newline.
 * For each name, path and text of a job, a history or another host that is shown:
 * none can end its line, change colours or order the terminal about.
 */
export function visible(text: string): string {
  return unsafe.test(text) ? text.replaceAll(everyUnsafe, symbolOf) : text;
}

/** The same for text of several lines. */
export function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}

/** The same object, its texts made visible. */
export function visibleTexts<T extends object>(fields: T): T {
  const shown = Object.entries(fields).map(([name, value]) => [
    name,
    typeof value === "string" ? visible(value) : value,
  ]);
  return Object.fromEntries(shown) as T;
}

/** Compact JSON, or indented, that shows such characters by their numbers. */
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
