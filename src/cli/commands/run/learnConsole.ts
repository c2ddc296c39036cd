/** What a run prints, remembered, to compare it with what another one does. */
import type { Readable } from "node:stream";
import type { StoredEvent } from "../../../store/eventStore.ts";
import type { JobConsole } from "./runJob.ts";

/** What a task printed, without what differs between runs: ids and folders. */
export type Printed = ReadonlyMap<string, string>;

/** Remembers what tasks print and what failed, and passes it on to another console, if there is one. */
export class LearnConsole implements JobConsole {
  readonly #shown: JobConsole | undefined;
  readonly #printed = new Map<string, string>();
  readonly failures: unknown[] = [];
  readonly warnings: string[] = [];

  constructor(shown: JobConsole | undefined) {
    this.#shown = shown;
  }

  /**
   * By task and stream, also those that are empty. Of a long output the first part.
   * @param names that are others in another run
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
      if (text.length < longest) this.#printed.set(key, text + chunk.toString("latin1"));
    });
    if (this.#shown !== undefined) return this.#shown.show(label, source, stream);
    await new Promise<void>((resolve) => source.once("close", () => resolve()));
  }
}

const longest = 2 ** 20;
