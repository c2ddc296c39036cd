/** Output of tasks, cut into lines so that several can share a terminal. Pure. */

const newline = 0x0a;
/** A line that grows beyond this is written in pieces: a task may never end one. */
const maxHeldLine = 64 * 1024;

/** Puts a prefix before every line of a stream of bytes, whatever the bytes are. */
export class LinePrefixer {
  readonly #prefix: Buffer;
  #held: Buffer[] = [];
  #heldLength = 0;

  constructor(prefix: string) {
    this.#prefix = Buffer.from(prefix);
  }

  /** Complete lines, prefixed. An unfinished one is held back until its end comes. */
  push(chunk: Buffer): Buffer {
    const end = chunk.lastIndexOf(newline) + 1;
    const complete = end === 0 ? [] : [...this.#held, chunk.subarray(0, end)];
    if (end > 0) this.#hold(chunk.subarray(end), []);
    else this.#hold(chunk, this.#held);
    if (this.#heldLength > maxHeldLine) return Buffer.concat([this.#prefixed(complete), this.end()]);
    return this.#prefixed(complete);
  }

  /** What is still held, as a line of its own. */
  end(): Buffer {
    const rest = this.#held;
    this.#held = [];
    this.#heldLength = 0;
    return rest.length === 0 ? Buffer.alloc(0) : this.#prefixed([...rest, Buffer.from("\n")]);
  }

  #hold(rest: Buffer, before: Buffer[]): void {
    this.#held = rest.length === 0 ? before : [...before, rest];
    this.#heldLength = this.#held.reduce((sum, { length }) => sum + length, 0);
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
