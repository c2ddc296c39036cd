/** Text in lines of a given width. */
import { stripVTControlCharacters } from "node:util";

/** Breaks text at spaces, and words that are longer than a line where it ends. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((each) => cut(each, width))) {
    if (line !== "" && visibleLength(line) + 1 + visibleLength(word) > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, line];
}

/** Coloured words are never long, and would lose their colour. */
function cut(word: string, width: number): string[] {
  if (word.length <= width || word.includes("\x1b")) return [word];
  return [word.slice(0, width), ...cut(word.slice(width), width)];
}

/** Columns that the text takes: colours take none. */
export function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
