/** The whole terminal for as long as something is shown on it: left as it was found, however the program ends. */
import type { ReadStream, WriteStream } from "node:tty";

export interface Screen {
  /** Shows these lines and nothing else, without flickering. */
  draw(lines: readonly string[]): void;
  /** Gives the terminal back. */
  close(): void;
}

export interface ScreenEvents {
  /** A key was pressed; Ctrl-C is one. */
  readonly onKey: (key: string) => void;
  /** The terminal has another size, or is shown again after the program was suspended. */
  readonly onChange: () => void;
}

/** Control sequences of the terminal: console_codes(4), and xterm's alternate screen. */
const enter = "\x1b[?1049h\x1b[?25l";
const leave = "\x1b[?25h\x1b[?1049l";
const home = "\x1b[H";
const restOfLine = "\x1b[K";
const restOfScreen = "\x1b[J";

const suspendKey = "\x1a";

/** @param input read for keys where it is a terminal */
export function openScreen(
  output: WriteStream,
  input: ReadStream,
  { onKey, onChange }: ScreenEvents,
): Screen {
  /** While the program is suspended the terminal belongs to others, and what was due to be drawn is too late. */
  let shown = false;
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
  const onData = (data: Buffer) => {
    const key = data.toString("latin1");
    if (key !== suspendKey) return onKey(key);
    give();
    // As the terminal would do: the whole group stops here, until its shell lets it go on.
    process.kill(0, "SIGTSTP");
  };
  const onContinue = () => {
    take();
    onChange();
  };
  take();
  input.on("data", onData);
  output.on("resize", onChange);
  process.on("SIGCONT", onContinue);
  process.on("exit", give);
  return {
    draw: (lines) => {
      if (!shown) return;
      output.write(`${home}${lines.map((line) => line + restOfLine).join("\r\n")}${restOfScreen}`);
    },
    close: () => {
      process.off("exit", give);
      process.off("SIGCONT", onContinue);
      output.off("resize", onChange);
      input.off("data", onData);
      give();
    },
  };
}
