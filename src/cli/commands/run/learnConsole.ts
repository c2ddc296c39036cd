/** Remembers the output of a run, to compare it with the output of another run. */
import type { Readable } from "node:stream";
import type { StoredEvent } from "../../../store/eventStore.ts";
import type { JobConsole } from "./runJob.ts";

/** The output of a task, without ids and folders, which differ between runs. */
export type Printed = ReadonlyMap<string, string>;

/** Remembers the output and the failures of tasks, and passes both on to another console, if there is one. */
export class LearnConsole implements JobConsole {
  readonly #shown: JobConsole | undefined;
  readonly #printed = new Map<string, string>();
  readonly failures: unknown[] = [];
  readonly warnings: string[] = [];

  constructor(shown: JobConsole | undefined) {
    this.#shown = shown;
  }

  /**
   * The output by task and stream, including empty streams. A long output is cut to its first part.
   * @param names names that differ between runs; `…` replaces them
   */
  printed(names: readonly string[]): Printed {
    const plain = (text: string) => names.reduce((rest, name) => rest.replaceAll(name, "…"), text);
    return new Map([...this.#printed].map(([stream, text]) => [stream, plain(text)]));
  }

  note(text: string): void {
    this.#shown?.note(text);
  }

  warn(text: string): void {
    this.warnings.push(text);
    this.#shown?.warn(text);
  }

  fail(thrown: unknown): void {
    this.failures.push(thrown);
    this.#shown?.fail(thrown);
  }

  pluginLog(line: string): void {
    this.#shown?.pluginLog(line);
  }

  pluginReady(): void {
    this.#shown?.pluginReady();
  }

  readonly event = (event: StoredEvent): void => this.#shown?.event(event);

  async show(label: string, source: Readable, stream: "stdout" | "stderr"): Promise<void> {
    const key = `${label} ${stream}`;
    this.#printed.set(key, "");
    source.on("data", (chunk: Buffer) => {
      const text = this.#printed.get(key) ?? "";
      if (text.length < maxLength) this.#printed.set(key, text + chunk.toString("latin1"));
    });
    if (this.#shown !== undefined) return this.#shown.show(label, source, stream);
    await new Promise<void>((resolve) => source.once("close", () => resolve()));
  }
}

const maxLength = 2 ** 20;
