/** The output of `run --json`: on standard output, one JSON object per line and event. */
import type { Readable } from "node:stream";
import { DriverError, type ErrorCode, messageOf } from "../../../base/errors.ts";
import { maskEvent } from "../../../history/replay/mask.ts";
import type { RunNews } from "../../../localAgent/task/localRun.ts";
import type { StoredEvent } from "../../../store/eventStore.ts";
import { inWords } from "../../terminal/errors.ts";
import { jsonOf } from "../../terminal/json.ts";
import { type OutputFailure, onOutputFailure } from "../../terminal/output.ts";
import { LinePrefixer } from "../../terminal/taskLines.ts";
import { type Passing, passOn } from "./passOn.ts";
import type { JobConsole } from "./runConsole.ts";

export interface JsonConsoleOptions {
  /** Shows the plugin's whole log. */
  readonly verbose: boolean;
  readonly onOutputFailure: (failure: OutputFailure) => void;
}

/** A line of the output, without its time. */
type RunEvent =
  | RunNews
  | { readonly event: "note" | "warning"; readonly text: string }
  | {
      readonly event: "error";
      /** Null for an error of the program itself. */
      readonly code: ErrorCode | null;
      readonly message: string;
      readonly hint: string | null;
    }
  /** With `--verbose`: an event of a task's history. */
  | { readonly event: "stored"; readonly stored: StoredEvent }
  | { readonly event: "pluginLog"; readonly line: string }
  | { readonly event: "output"; readonly task: string; readonly stream: OutputStream; readonly text: string }
  /** The last line. */
  | { readonly event: "done"; readonly exitCode: number; readonly reason: string };

type OutputStream = OutputFailure["stream"];

export class JsonConsole implements JobConsole {
  readonly #verbose: boolean;

  constructor(options: JsonConsoleOptions) {
    this.#verbose = options.verbose;
    process.stdout.setMaxListeners(0);
    onOutputFailure(options.onOutputFailure);
  }

  tell(news: RunNews): void {
    printEvent(news);
  }

  note(text: string): void {
    printEvent({ event: "note", text });
  }

  warn(text: string): void {
    printEvent({ event: "warning", text });
  }

  fail(thrown: unknown): void {
    printEvent(errorEvent(thrown));
  }

  readonly event = (event: StoredEvent): void => {
    printEvent({ event: "stored", stored: maskEvent(event) });
  };

  pluginLog(line: string): void {
    if (this.#verbose) printEvent({ event: "pluginLog", line });
  }

  pluginReady(): void {}

  show(task: string, source: Readable, stream: OutputStream): Promise<void> {
    return passOn(source, "stdout", new OutputEvents(task, stream));
  }
}

/** Turns output into an event for each line. */
class OutputEvents implements Passing {
  readonly #lines = new LinePrefixer("");
  readonly #task: string;
  readonly #stream: OutputStream;

  constructor(task: string, stream: OutputStream) {
    this.#task = task;
    this.#stream = stream;
  }

  push(chunk: Buffer): Buffer {
    return this.#events(this.#lines.push(chunk));
  }

  end(): Buffer {
    return this.#events(this.#lines.end());
  }

  #events(lines: Buffer): Buffer {
    const texts = lines.toString().split("\n").slice(0, -1);
    const events = texts.map((text) =>
      eventLine({ event: "output", task: this.#task, stream: this.#stream, text }),
    );
    return Buffer.from(events.join(""));
  }
}

/** Prints the last event of a run. */
export function printDone(exitCode: number, reason: string): void {
  printEvent({ event: "done", exitCode, reason });
}

export function printEvent(event: RunEvent): void {
  process.stdout.write(eventLine(event));
}

export function errorEvent(thrown: unknown): RunEvent {
  if (!(thrown instanceof DriverError))
    return { event: "error", code: null, message: messageOf(thrown), hint: null };
  const { code, summary, failed, hint = null } = thrown;
  return { event: "error", code, message: inWords(summary, failed), hint };
}

function eventLine(event: RunEvent): string {
  return `${jsonOf("run", { time: new Date().toISOString(), ...event })}\n`;
}
