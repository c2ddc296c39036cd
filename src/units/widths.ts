/** The width of text on a terminal, in cells. Pure. */

/**
 * Characters that take two cells. Terminals differ on emoji made of several characters. Each of these
 * characters is counted, so no emoji is wider than computed.
 */
const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Bopomofo}\p{Script=Yi}\p{Emoji_Presentation}\u3000-\u303e\u30a0-\u33ff\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{1f000}-\u{1fbff}]/u;
/** Characters that take no cell: they combine with the one before. */
const joined = /[\p{Mn}\p{Me}\u200b-\u200d]/u;
const ascii = /^[\x20-\x7e]*$/;
const esc = String.fromCharCode(0x1b);
const colours = new RegExp(`${esc}\\[[\\d;]*m`, "g");

/** @param text without control characters, except colours, which take no cells */
export function cellsOf(text: string): number {
  if (ascii.test(text)) return text.length;
  let cells = 0;
  for (const character of text.replaceAll(colours, "")) cells += cellsOfCharacter(character);
  return cells;
}

/** The longest prefix of a text that fits into `cells`. The text has no colours. */
export function beginningOf(text: string, cells: number): string {
  // Looks at one more character, because a character that takes no cell may follow.
  if (ascii.test(text.slice(0, cells + 1))) return text.slice(0, Math.max(0, cells));
  let taken = 0;
  let end = 0;
  for (const character of text) {
    taken += cellsOfCharacter(character);
    if (taken > cells) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** Cuts a text to `cells` and marks the cut with `…`. The text has no colours. */
export function cutText(text: string, cells: number): string {
  return cellsOf(text) <= cells ? text : `${beginningOf(text, cells - 1)}…`;
}

/** The spaces that pad a text to `cells`. */
export function blanks(text: string, cells: number): string {
  return " ".repeat(Math.max(0, cells - cellsOf(text)));
}

/** Breaks text at spaces. A word that is longer than a line is split at the line's end. */
export function wrap(text: string, cells: number): string[] {
  const lines = [""];
  let used = 0;
  for (const word of text.split(" ").flatMap((each) => broken(each, cells))) {
    const line = lines.at(-1) as string;
    const width = cellsOf(word);
    if (line !== "" && used + 1 + width > cells) {
      lines.push(word);
      used = width;
    } else {
      lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
      used = line === "" ? width : used + 1 + width;
    }
  }
  return lines;
}

/**
 * Splits a word that is longer than a line. Coloured words are never long, so no colour is lost. A part may
 * have two cells even if `cells` is less, because some characters take two.
 */
function broken(word: string, cells: number): string[] {
  if (word.includes(esc)) return [word];
  const parts: string[] = [];
  for (let rest = word; rest !== "" || parts.length === 0; ) {
    const part = beginningOf(rest, Math.max(2, cells));
    parts.push(part);
    rest = rest.slice(part.length);
  }
  return parts;
}

function cellsOfCharacter(character: string): number {
  if (joined.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}
