/**
 * Prints text without terminal control sequences. Histories may come from other
 * hosts, and names in them may contain such sequences.
 */

/** Writes one or several lines to standard output. */
export function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/** Keeps colours, newlines and tabs. Any other control character becomes `�`. */
export function printable(text: string): string {
  return text.replaceAll(commands, "�");
}

const colour = String.fromCharCode(0x1b);
const commands = new RegExp(`(?!\\n|\\t|${colour}\\[[\\d;]*m)\\p{Cc}`, "gu");
