/** A progress bar for terminals. */
import type { TextStream } from "./style.ts";

const width = 30;

export class ProgressBar {
  readonly #stream: TextStream;
  readonly #name: string;
  #shown = "";

  /** @param stream written to only if it is a terminal */
  constructor(stream: TextStream, name: string) {
    this.#stream = stream;
    this.#name = name;
  }

  /** @param share the part that is done, from 0 to 1 */
  show(share: number): void {
    const done = Math.min(1, Math.max(0, share));
    const filled = Math.round(done * width);
    const bar = `${this.#name} ${"█".repeat(filled)}${"░".repeat(width - filled)} ${Math.floor(done * 100)} %`;
    if (bar === this.#shown) return;
    this.#shown = bar;
    this.#write(`\r${bar}`);
  }

  /** Removes the bar from the terminal. */
  clear(): void {
    if (this.#shown !== "") this.#write("\r\x1b[K");
    this.#shown = "";
  }

  #write(text: string): void {
    if (this.#stream.isTTY === true) this.#stream.write(text);
  }
}
