/** What a run shows: the tasks' output, and a few words of its own on standard error. */
import type { Readable } from "node:stream";
import type { RunDisplay } from "../../../client/task/localRun.ts";
import { maskEvent } from "../../../replay/mask.ts";
import type { StoredEvent } from "../../../store/eventStore.ts";
import { blanks, cellsOf } from "../../../units/widths.ts";
import { EventView } from "../../logs/eventView.ts";
import { whenReaderGone } from "../../terminal/closedPipes.ts";
import { errorText } from "../../terminal/errorText.ts";
import { LinePrefixer } from "../../terminal/lines.ts";
import { type Style, styleFor, widthOf } from "../../terminal/style.ts";

/** In turn; none that a terminal shows badly. */
const taskColours = ["cyan", "magenta", "green", "yellow", "blue"] as const;

export interface RunConsoleOptions {
  readonly taskNames: readonly string[];
  /** Output as it comes, byte by byte, with nothing before it. */
  readonly raw: boolean;
  /** Shows the plugin's whole log; without it, what went wrong there. */
  readonly verbose: boolean;
  /** Nobody reads the output any more. */
  readonly onReaderGone: () => void;
}

export class RunConsole implements RunDisplay {
  readonly #options: RunConsoleOptions;
  readonly #width: number;
  readonly #view: EventView;
  readonly style: Style = styleFor(process.stderr);
  /** What the run has to say once the line is over that stands on standard error. */
  #held = "";
  #inLine = false;

  constructor(options: RunConsoleOptions) {
    this.#options = options;
    this.#view = new EventView(this.style, widthOf(process.stderr));
    this.#width = Math.max(0, ...options.taskNames.map(cellsOf));
    for (const stream of [process.stdout, process.stderr]) stream.setMaxListeners(0);
    whenReaderGone(options.onReaderGone);
  }

  /** A word of the run's own: not within a line that a task has only begun. */
  say(text: string): void {
    this.#held += `${text}\n`;
    this.#sayHeld();
  }

  note(text: string): void {
    this.say(this.style.dim(text));
  }

  warn(text: string): void {
    this.say(`${this.style.yellow("warning:")} ${text}`);
  }

  fail(thrown: unknown): void {
    this.#inLine = false;
    this.say(errorText(thrown, this.style, widthOf(process.stderr)));
  }

  /** An event of a task. */
  readonly event = (event: StoredEvent): void => {
    const [, task = ""] = event.stream.split("/");
    this.say(`${this.label(task)} ${this.style.dim("*")} ${this.#view.line(maskEvent(event))}`);
  };

  /** A line of the plugin's log, hclog's JSON. */
  pluginLog(line: string): void {
    const { level, message } = parseLogLine(line);
    const wanted = this.#options.verbose ? level !== "trace" : level === "warn" || level === "error";
    if (wanted) this.note(`plugin ${level}: ${message}`);
  }

  /** Name of a task as it stands before its lines. */
  label(task: string, style: Style = this.style): string {
    const colour = taskColours[this.#options.taskNames.indexOf(task) % taskColours.length] ?? "cyan";
    return style[colour](task + blanks(task, this.#width));
  }

  /**
   * Passes a task's output on until its end. Reading waits where the terminal is
   * slow, and so does the task.
   */
  async show(task: string, source: Readable, stream: "stdout" | "stderr"): Promise<void> {
    const sink = process[stream];
    const style = styleFor(sink);
    const prefixer = this.#options.raw
      ? undefined
      : new LinePrefixer(`${this.label(task, style)} ${style.dim(stream === "stdout" ? "|" : "!")} `);
    const write = (bytes: Buffer) => {
      if (bytes.length === 0 || sink.destroyed) return true;
      const hasRoom = sink.write(bytes);
      if (stream === "stderr") {
        this.#inLine = bytes.at(-1) !== newline;
        this.#sayHeld();
      }
      return hasRoom;
    };
    source.on("data", (chunk: Buffer) => {
      if (write(prefixer ? prefixer.push(chunk) : chunk)) return;
      source.pause();
      sink.once("drain", () => source.resume());
    });
    await new Promise<void>((resolve) => source.once("close", () => resolve()));
    if (prefixer) write(prefixer.end());
    if (stream === "stderr") this.#inLine = false;
    this.#sayHeld();
  }

  #sayHeld(): void {
    if (this.#inLine || this.#held === "") return;
    process.stderr.write(this.#held);
    this.#held = "";
  }
}

const newline = 0x0a;

function parseLogLine(line: string): { level: string; message: string } {
  try {
    const { "@level": level, "@message": message, error } = JSON.parse(line) as Record<string, unknown>;
    return { level: String(level), message: error === undefined ? String(message) : `${message}: ${error}` };
  } catch {
    // Not the plugin's own word: the runtime's, most likely its last.
    return { level: "error", message: line };
  }
}
