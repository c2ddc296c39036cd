/** The output of a run: the tasks' output, and the run's messages on standard error. */
import type { Readable } from "node:stream";
import { maskEvent } from "../../../history/replay/mask.ts";
import type { RunDisplay, RunNews } from "../../../localAgent/task/localRun.ts";
import type { StoredEvent } from "../../../store/eventStore.ts";
import { visible } from "../../../units/visible.ts";
import { EventView } from "../../histories/eventView.ts";
import { formatError } from "../../terminal/errors.ts";
import { type OutputFailure, onOutputFailure } from "../../terminal/output.ts";
import { type Style, styleFor, widthOf } from "../../terminal/style.ts";
import { ShownOutput, TaskLabels } from "../../terminal/taskLines.ts";
import { passOn } from "./passOn.ts";

/** The console that shows a run. */
export type JobConsole = RunDisplay & Pick<RunConsole, "event" | "pluginLog" | "pluginReady">;

export interface RunConsoleOptions {
  /** The tasks' labels in the run's output. */
  readonly labels: readonly string[];
  /** The label of a task, by the id of its run. */
  readonly labelOf: (id: string) => string;
  /** Passes output on unchanged, even to a terminal. */
  readonly raw: boolean;
  /** Whether lines of output begin with the task's name. */
  readonly named: boolean;
  /** Shows the plugin's whole log, not only warnings and errors. */
  readonly verbose: boolean;
  /** Called when a stream can no longer be written. */
  readonly onOutputFailure: (failure: OutputFailure) => void;
}

export class RunConsole implements RunDisplay {
  readonly #options: RunConsoleOptions;
  readonly #labels: TaskLabels;
  readonly #view: EventView;
  readonly style: Style = styleFor(process.stderr);
  /** Messages that wait for the end of an unfinished line on standard error. */
  #pending = "";
  #inLine = false;
  /** Lines of the plugin's log that wait until the plugin is ready. */
  #heldLog: string[] | undefined;

  constructor(options: RunConsoleOptions) {
    this.#options = options;
    this.#heldLog = options.verbose ? undefined : [];
    this.#view = new EventView(this.style, widthOf(process.stderr));
    this.#labels = new TaskLabels(options.labels);
    for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
    onOutputFailure(options.onOutputFailure);
  }

  /** Shows a message of the run, once a task's unfinished line has ended. */
  say(text: string): void {
    this.#pending += `${text}\n`;
    this.#flush();
  }

  tell(_: RunNews, text: string): void {
    this.note(text);
  }

  note(text: string): void {
    this.say(this.style.dim(visible(text)));
  }

  warn(text: string): void {
    this.say(`${this.style.yellow("warning:")} ${visible(text)}`);
  }

  fail(thrown: unknown): void {
    this.#inLine = false;
    this.say(formatError(thrown, this.style, widthOf(process.stderr)));
  }

  /** Shows an event of a task. */
  readonly event = (event: StoredEvent): void => {
    this.say(
      `${this.#labels.label(this.#options.labelOf(event.stream), this.style)} ${this.style.dim("*")} ${this.#view.line(maskEvent(event))}`,
    );
  };

  /**
   * Shows a line of the plugin's log, in hclog's JSON format. Unless verbose, lines wait until the plugin is
   * ready. If the plugin does not start, they are not shown, because the error of the start quotes them.
   */
  pluginLog(line: string): void {
    if (this.#heldLog !== undefined) return void this.#heldLog.push(line);
    const { level, message } = parseLogLine(line);
    const shown = this.#options.verbose ? level !== "trace" : level === "warn" || level === "error";
    if (shown) this.note(`plugin ${level}: ${message}`);
  }

  /** To be called when the plugin is ready. */
  pluginReady(): void {
    const held = this.#heldLog ?? [];
    this.#heldLog = undefined;
    for (const line of held) this.pluginLog(line);
  }

  /**
   * Passes a task's output on until its end. A slow terminal slows down the reader, and so the task.
   */
  async show(task: string, source: Readable, stream: "stdout" | "stderr"): Promise<void> {
    const sink = process[stream];
    const { raw, named } = this.#options;
    const output = new ShownOutput({
      filters: sink.isTTY && !raw,
      prefix: named ? this.#labels.prefix(task, stream, styleFor(sink)) : undefined,
    });
    await passOn(source, stream, output, (bytes) => {
      if (stream !== "stderr") return;
      this.#inLine = bytes.at(-1) !== newline;
      this.#flush();
    });
    if (stream === "stderr") this.#inLine = false;
    this.#flush();
  }

  #flush(): void {
    if (this.#inLine || this.#pending === "") return;
    process.stderr.write(this.#pending);
    this.#pending = "";
  }
}

const newline = 0x0a;

function parseLogLine(line: string): { level: string; message: string } {
  try {
    const { "@level": level, "@message": message, error } = JSON.parse(line) as Record<string, unknown>;
    return { level: String(level), message: error === undefined ? String(message) : `${message}: ${error}` };
  } catch {
    // Not a log line: most likely the runtime's message before a crash.
    return { level: "error", message: line };
  }
}
