/** How much room text takes on a terminal, in its cells. Pure. */

/**
 * Characters that take two cells. Terminals differ on pictures made of several
 * characters: each is counted, so that none is ever wider than was reckoned with.
 */
const wide =
  /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Bopomofo}\p{Script=Yi}\p{Emoji_Presentation}\u3000-\u303e\u30a0-\u33ff\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{1f000}-\u{1fbff}]/u;
/** Characters that take none: they belong to the one before. */
const joined = /[\p{Mn}\p{Me}\u200b-\u200d]/u;
const ascii = /^[\x20-\x7e]*$/;
const esc = String.fromCharCode(0x1b);
const colours = new RegExp(`${esc}\\[[\\d;]*m`, "g");

/** @param text without control characters, but for colours: they take no room */
export function cellsOf(text: string): number {
  if (ascii.test(text)) return text.length;
  let cells = 0;
  for (const character of text.replaceAll(colours, "")) cells += cellsOfCharacter(character);
  return cells;
}

/** The longest beginning of a text without colours that takes so many cells at most. */
export function beginningOf(text: string, cells: number): string {
  if (ascii.test(text)) return text.slice(0, Math.max(0, cells));
  let taken = 0;
  let end = 0;
  for (const character of text) {
    taken += cellsOfCharacter(character);
    if (taken > cells) break;
    end += character.length;
  }
  return text.slice(0, end);
}

/** A text without colours in so many cells at most: what is cut off is told by `…`. */
export function cutText(text: string, cells: number): string {
  return cellsOf(text) <= cells ? text : `${beginningOf(text, cells - 1)}…`;
}

/** Spaces that the text lacks to take so many cells. */
export function blanks(text: string, cells: number): string {
  return " ".repeat(Math.max(0, cells - cellsOf(text)));
}

/** Breaks text at spaces, and words that are longer than a line where it ends. */
export function wrap(text: string, cells: number): string[] {
  const lines = [""];
  for (const word of text.split(" ").flatMap((each) => broken(each, cells))) {
    const line = lines.at(-1) as string;
    const longer = line === "" ? word : `${line} ${word}`;
    if (line === "" || cellsOf(longer) <= cells) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** Coloured words are never long, and would lose their colour. One cell is too little for some characters. */
function broken(word: string, cells: number): string[] {
  const head = word.includes(esc) ? word : beginningOf(word, Math.max(2, cells));
  return head === word ? [word] : [head, ...broken(word.slice(head.length), cells)];
}

function cellsOfCharacter(character: string): number {
  if (joined.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}
