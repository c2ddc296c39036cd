/** A shell on a pseudo-terminal. Needs script(1) and bash. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { stripVTControlCharacters } from "node:util";
import { onTestFinished } from "vitest";

export interface TerminalSession {
  type(keys: string): void;
  /**
   * Resolves with the shown lines once the terminal shows the pattern. If a program uses the whole screen,
   * these are only its lines.
   */
  shows(expected: RegExp): Promise<string[]>;
  /** All output to the terminal so far. */
  written(): string;
  /** Closes the terminal: its programs get a SIGHUP, and their reads and writes fail. */
  hangUp(): Promise<void>;
}

/** Control sequences: console_codes(4). */
const wholeScreen = "\x1b[?1049h";
const leftScreen = "\x1b[?1049l";
const pictureBegins = "\x1b[?2026h";
const pictureEnds = "\x1b[?2026l";

/** Less than the time limit of a test, so that the error can show the screen. */
const maxWaitMs = 60_000;

/** @param env variables in addition to PATH; the shell and its programs end with the test */
export function openTerminalSession(
  { columns, rows }: { readonly columns: number; readonly rows: number },
  env: Readonly<Record<string, string>> = {},
): TerminalSession {
  const child = spawn("script", ["-qefc", "bash --norc --noprofile -i", "/dev/null"], {
    env: { PATH: process.env.PATH, TERM: "xterm-256color", PS1: "shell> ", HISTFILE: "/dev/null", ...env },
    stdio: ["pipe", "pipe", "ignore"],
  });
  const closed = once(child, "close");
  let written = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    written += chunk;
  });
  const hangUp = async () => {
    child.kill("SIGKILL");
    await closed;
  };
  onTestFinished(hangUp);
  const type = (keys: string) => void child.stdin.write(keys);
  type(`stty rows ${rows} cols ${columns}\n`);
  return {
    type,
    shows: async (expected) => {
      const signal = AbortSignal.timeout(maxWaitMs);
      while (!expected.test(shownOf(written).join("\n"))) {
        await once(child.stdout, "data", { signal }).catch(() => {
          throw new Error(`the terminal does not show ${expected}:\n${shownOf(written).join("\n")}`);
        });
      }
      return shownOf(written);
    },
    written: () => written,
    hangUp,
  };
}

/**
 * The last complete screen of a program that uses the whole screen; otherwise the output since the last such
 * program.
 */
function shownOf(written: string): string[] {
  const [entered, left] = [written.lastIndexOf(wholeScreen), written.lastIndexOf(leftScreen)];
  if (entered <= left) return linesOf(written.slice(left + 1));
  const end = written.lastIndexOf(pictureEnds);
  return end < entered ? [] : linesOf(written.slice(written.lastIndexOf(pictureBegins, end), end));
}

function linesOf(text: string): string[] {
  return stripVTControlCharacters(text).split("\r\n");
}
