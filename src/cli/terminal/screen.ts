/** Takes over the whole terminal, and restores it however the program ends. */
import { emitKeypressEvents, type Key } from "node:readline";
import type { ReadStream, WriteStream } from "node:tty";
import { endKey, keyName } from "./keyName.ts";

export interface Screen {
  /** Replaces the content of the screen with these lines, without flickering. */
  draw(lines: readonly string[]): void;
  /** Gives the terminal to another program, until `resume`. Frames are dropped meanwhile, and no keys are read. */
  pause(): void;
  resume(): void;
  /** Restores the terminal. */
  close(): void;
}

export interface ScreenEvents {
  /** Gets the name of a pressed key (keyName.ts). Ctrl-C and the end of the input are keys, too. */
  readonly onKey: (key: string) => void;
  /** The terminal was resized, or the program continues after it was suspended. */
  readonly onChange: () => void;
}

/** Control sequences of the terminal: console_codes(4), and xterm's alternate screen. */
const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const home = "\x1b[H";
/** Synchronized output: a terminal that supports it does not redraw between `begin` and `end`. */
const begin = "\x1b[?2026h";
const end = "\x1b[?2026l";
const restOfLine = "\x1b[K";
const restOfScreen = "\x1b[J";

const suspendKey = "C-z";
/** If the program still runs after this time, the kernel did not stop it. */
const notStoppedMs = 200;

/** @param input read for keys if it is a terminal */
export function openScreen(
  output: WriteStream,
  input: ReadStream,
  { onKey, onChange }: ScreenEvents,
): Screen {
  /** False while the program is suspended: other programs then use the terminal, and frames are dropped. */
  let shown = false;
  let notStopped: NodeJS.Timeout | undefined;
  const acquire = () => {
    shown = true;
    output.write(enter);
    if (!input.isTTY) return;
    input.setRawMode(true);
    input.resume();
  };
  const release = () => {
    shown = false;
    if (input.isTTY) input.setRawMode(false);
    input.pause();
    output.write(leave);
  };
  const onKeypress = (text: string | undefined, pressed: Key) => {
    const key = keyName(text, pressed);
    if (key !== suspendKey) return onKey(key);
    release();
    // Stops the whole process group until the shell continues it, as the terminal would on Ctrl-Z.
    process.kill(0, "SIGTSTP");
    // The kernel discards the signal if there is no shell to continue the group. The timer detects that.
    notStopped = setTimeout(() => !shown && onContinue(), notStoppedMs);
  };
  const onContinue = () => {
    acquire();
    onChange();
  };
  // If the terminal is closed, the input reports an error.
  const onEnd = () => onKey(endKey);
  acquire();
  if (input.isTTY) {
    emitKeypressEvents(input);
    input.on("keypress", onKeypress).on("end", onEnd).on("error", onEnd);
  }
  output.on("resize", onChange);
  process.on("SIGCONT", onContinue);
  process.on("exit", release);
  return {
    draw: (lines) => {
      if (!shown) return;
      // Each line is cleared before it is written. After a full line, the cursor stays on the last column,
      // and clearing would erase the last character.
      const below = lines.length < output.rows ? `\r\n${restOfScreen}` : "";
      output.write(begin + home + lines.map((line) => restOfLine + line).join("\r\n") + below + end);
    },
    pause: () => {
      process.off("SIGCONT", onContinue);
      release();
    },
    resume: () => {
      process.on("SIGCONT", onContinue);
      onContinue();
    },
    close: () => {
      clearTimeout(notStopped);
      process.off("exit", release);
      process.off("SIGCONT", onContinue);
      output.off("resize", onChange);
      input.off("keypress", onKeypress).off("end", onEnd);
      release();
    },
  };
}
