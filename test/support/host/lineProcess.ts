/** Runs a program of test/fixtures in a child process, and collects the lines that it writes. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";

export class LineProcess {
  /** Whole lines written so far. */
  readonly lines: string[] = [];
  readonly child: ChildProcess;
  readonly #ended: Promise<unknown>;

  /** The process is killed at the end of the test, if it is still running. */
  constructor(fixture: string, ...args: string[]) {
    const path = fileURLToPath(new URL(`../../fixtures/${fixture}.ts`, import.meta.url));
    this.child = spawn(process.execPath, [path, ...args], { stdio: ["ignore", "pipe", "inherit"] });
    this.#ended = once(this.child, "close");
    let rest = "";
    this.child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      this.lines.push(...parts);
    });
    onTestFinished(() => this.kill());
  }

  /** Resolves once the process has written `count` lines; rejects if the process ends before. */
  async written(count: number): Promise<void> {
    while (this.lines.length < count) {
      const more = once(this.child.stdout as NodeJS.ReadableStream, "data");
      await Promise.race([
        more,
        this.#ended.then(() => Promise.reject(new Error(`it ended after ${this.lines.length} lines`))),
      ]);
    }
  }

  /** Kills the process with SIGKILL; resolves once all its output has been read. */
  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }
}
