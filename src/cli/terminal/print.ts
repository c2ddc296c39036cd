/**
 * Output that a terminal only shows. Histories come from other hosts, too, and a
 * name in them may hold what a terminal obeys.
 */

/** Writes a line, or several, to standard output. */
export function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/** Colours are this program's own, and so are the ends of lines; any other control character becomes `�`. */
export function printable(text: string): string {
  return text.replaceAll(commands, "�");
}

const colour = String.fromCharCode(0x1b);
const commands = new RegExp(`(?!\\n|\\t|${colour}\\[[\\d;]*m)\\p{Cc}`, "gu");
