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
/** What would move the cursor, change colours or turn the direction of writing; halves of characters too. */
const unsafe = /[\p{Cc}\p{Cs}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** @param text without control characters */
export function cellsOf(text: string): number {
  if (ascii.test(text)) return text.length;
  let cells = 0;
  for (const character of text) cells += cellsOfCharacter(character);
  return cells;
}

/** The longest beginning of a text that takes so many cells at most. */
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

/** The same text with pictures of control characters in their place: whatever it is, it can be written. */
export function visible(text: string): string {
  return text.replaceAll(unsafe, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x20 ? String.fromCharCode(0x2400 + code) : "\ufffd";
  });
}

function cellsOfCharacter(character: string): number {
  if (joined.test(character)) return 0;
  return wide.test(character) ? 2 : 1;
}
