/** Lines of several tasks that share a terminal: their labels, and output split into lines. Pure. */
import { visible } from "../../units/visible.ts";
import { blanks, cellsOf } from "../../units/widths.ts";
import type { Style } from "./style.ts";
import { TerminalFilter } from "./terminalFilter.ts";

const newline = 0x0a;
/** A longer unfinished line is written without its end, which may never come. */
const maxPendingLine = 64 * 1024;

/** Prefixes every line of a stream of arbitrary bytes. */
export class LinePrefixer {
  readonly #prefix: Buffer;
  #pending: Buffer[] = [];
  #pendingLength = 0;

  constructor(prefix: string) {
    this.#prefix = Buffer.from(prefix);
  }

  /** Returns complete lines with their prefix. An unfinished line waits for its end. */
  push(chunk: Buffer): Buffer {
    const end = chunk.lastIndexOf(newline) + 1;
    const complete = end === 0 ? [] : [...this.#pending, chunk.subarray(0, end)];
    if (end > 0) this.#keep(chunk.subarray(end), []);
    else this.#keep(chunk, this.#pending);
    if (this.#pendingLength > maxPendingLine) return Buffer.concat([this.#prefixed(complete), this.end()]);
    return this.#prefixed(complete);
  }

  /** Returns the pending bytes as a line. */
  end(): Buffer {
    const rest = this.#pending;
    this.#pending = [];
    this.#pendingLength = 0;
    return rest.length === 0 ? Buffer.alloc(0) : this.#prefixed([...rest, Buffer.from("\n")]);
  }

  #keep(rest: Buffer, before: Buffer[]): void {
    this.#pending = rest.length === 0 ? before : [...before, rest];
    this.#pendingLength = this.#pending.reduce((sum, { length }) => sum + length, 0);
  }

  #prefixed(complete: readonly Buffer[]): Buffer {
    const text = Buffer.concat(complete);
    const pieces: Buffer[] = [];
    for (let start = 0; start < text.length; ) {
      const end = text.indexOf(newline, start) + 1;
      pieces.push(this.#prefix, text.subarray(start, end));
      start = end;
    }
    return Buffer.concat(pieces);
  }
}

/** One stream of a task's output, as a terminal, a file or a pipe gets it. */
export class ShownOutput {
  readonly #filter: TerminalFilter | undefined;
  readonly #prefixer: LinePrefixer | undefined;

  /**
   * @param filters whether only text and colours are shown, as on a terminal; otherwise the bytes stay as they
   *   are
   * @param prefix of each line; undefined for output without names
   */
  constructor({ filters, prefix }: { readonly filters: boolean; readonly prefix: string | undefined }) {
    this.#filter = filters ? new TerminalFilter() : undefined;
    this.#prefixer = prefix === undefined ? undefined : new LinePrefixer(prefix);
  }

  push(chunk: Buffer): Buffer {
    return this.#prefixed(this.#filter?.push(chunk) ?? chunk);
  }

  /** The bytes that wait for more, when the output has ended. */
  end(): Buffer {
    const rest = this.#prefixed(this.#filter?.end() ?? Buffer.alloc(0));
    return this.#prefixer === undefined ? rest : Buffer.concat([rest, this.#prefixer.end()]);
  }

  #prefixed(bytes: Buffer): Buffer {
    return this.#prefixer?.push(bytes) ?? bytes;
  }
}

/** Used in turn. All are readable on common terminals. */
const taskColours = ["cyan", "magenta", "green", "yellow", "blue"] as const;

export class TaskLabels {
  readonly #names: readonly string[];
  readonly #width: number;

  constructor(names: readonly string[]) {
    this.#names = names;
    this.#width = Math.max(0, ...names.map((name) => cellsOf(visible(name))));
  }

  label(task: string, style: Style): string {
    const colour = taskColours[this.#names.indexOf(task) % taskColours.length] ?? "cyan";
    const name = visible(task);
    return style[colour](name + blanks(name, this.#width));
  }

  /** The prefix of a line of the task's output. */
  prefix(task: string, stream: "stdout" | "stderr", style: Style): string {
    return `${this.label(task, style)} ${style.dim(stream === "stdout" ? "|" : "!")} `;
  }
}
