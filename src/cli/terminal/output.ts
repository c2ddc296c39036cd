/**
 * Prints text without terminal control sequences. Histories may come from other
 * hosts, and names in them may contain such sequences.
 */
import { errnoOf } from "../../errors.ts";

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

/** Ignores writes to a pipe whose reader has exited, such as head(1): they are no error. */
const streams = [process.stdout, process.stderr];

/** From this call on, writes without a reader succeed. */
export function tolerateClosedPipes(): void {
  onClosedPipe(() => undefined);
}

/** Calls back when a write finds that the reader has closed the pipe. */
export function onClosedPipe(work: () => void): void {
  for (const stream of streams) {
    stream.on("error", (thrown) => {
      if (errnoOf(thrown) !== "EPIPE") throw thrown;
      work();
    });
  }
}
