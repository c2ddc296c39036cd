/** The whole terminal for as long as something is shown on it: left as it was found, however the program ends. */
import { emitKeypressEvents, type Key } from "node:readline";
import type { ReadStream, WriteStream } from "node:tty";
import { endKey, keyName } from "./keyName.ts";

export interface Screen {
  /** Shows these lines and nothing else, without flickering. */
  draw(lines: readonly string[]): void;
  /** Gives the terminal back. */
  close(): void;
}

export interface ScreenEvents {
  /** A key was pressed, by its name (keyName.ts); Ctrl-C is one, and so is the end of the input. */
  readonly onKey: (key: string) => void;
  /** The terminal has another size, or is shown again after the program was suspended. */
  readonly onChange: () => void;
}

/** Control sequences of the terminal: console_codes(4), and xterm's alternate screen. */
const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const home = "\x1b[H";
/** Between them, terminals that know the mode show nothing: no picture is seen half drawn. Others ignore it. */
const begin = "\x1b[?2026h";
const end = "\x1b[?2026l";
const restOfLine = "\x1b[K";
const restOfScreen = "\x1b[J";

const suspendKey = "C-z";
/** Who still runs after so many milliseconds was not stopped. */
const notStoppedMs = 200;

/** @param input read for keys where it is a terminal */
export function openScreen(
  output: WriteStream,
  input: ReadStream,
  { onKey, onChange }: ScreenEvents,
): Screen {
  /** While the program is suspended the terminal belongs to others, and what was due to be drawn is too late. */
  let shown = false;
  let notStopped: NodeJS.Timeout | undefined;
  const take = () => {
    shown = true;
    output.write(enter);
    if (!input.isTTY) return;
    input.setRawMode(true);
    input.resume();
  };
  const give = () => {
    shown = false;
    if (input.isTTY) input.setRawMode(false);
    input.pause();
    output.write(leave);
  };
  const onKeypress = (text: string | undefined, pressed: Key) => {
    const key = keyName(text, pressed);
    if (key !== suspendKey) return onKey(key);
    give();
    // As the terminal would do: the whole group stops here, until its shell lets it go on.
    process.kill(0, "SIGTSTP");
    // Where there is no shell to do that, the kernel discards the signal. Nothing else keeps the program waiting.
    notStopped = setTimeout(() => !shown && onContinue(), notStoppedMs);
  };
  const onContinue = () => {
    take();
    onChange();
  };
  // A terminal that is gone says so by an error.
  const onEnd = () => onKey(endKey);
  take();
  if (input.isTTY) {
    emitKeypressEvents(input);
    input.on("keypress", onKeypress).on("end", onEnd).on("error", onEnd);
  }
  output.on("resize", onChange);
  process.on("SIGCONT", onContinue);
  process.on("exit", give);
  return {
    draw: (lines) => {
      if (!shown) return;
      // What is behind a line goes before it comes: after one that is full, the cursor stands on its last column.
      const below = lines.length < output.rows ? `\r\n${restOfScreen}` : "";
      output.write(begin + home + lines.map((line) => restOfLine + line).join("\r\n") + below + end);
    },
    close: () => {
      clearTimeout(notStopped);
      process.off("exit", give);
      process.off("SIGCONT", onContinue);
      output.off("resize", onChange);
      input.off("keypress", onKeypress).off("end", onEnd);
      give();
    },
  };
}
