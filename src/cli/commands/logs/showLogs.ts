/** `logs`: shows the output of tasks. */
import { setTimeout as delay } from "node:timers/promises";
import { DriverError } from "../../../base/errors.ts";
import { shortNameOf, taskName } from "../../../base/taskId.ts";
import { type Destination, destinationOf } from "../../../effects/logs/destination.ts";
import { type LogPlace, LogSpan, logMissing, logPlaces } from "../../../effects/logs/logFiles.ts";
import { LogStream, maxSeekBytes } from "../../../effects/logs/logStream.ts";
import { type LineChoice, type TimedLine, TimedLines } from "../../../effects/logs/timedLines.ts";
import { type KeptEnd, keptEndIn } from "../../../history/keptEnd.ts";
import { readHistory } from "../../../history/replay/storedHistory.ts";
import { ownOutput } from "../../../machines/taskContext.ts";
import { formatTime } from "../../../units/times.ts";
import type { ChosenRun } from "../../histories/chosenRun.ts";
import { EventLogs } from "../../histories/eventLogs.ts";
import { foldReadable } from "../../histories/readHistory.ts";
import { hasFailed, onOutputFailure, writeTo } from "../../terminal/output.ts";
import { styleFor } from "../../terminal/style.ts";
import { ShownOutput, TaskLabels } from "../../terminal/taskLines.ts";

type StreamName = "stdout" | "stderr";

export interface LogsOptions {
  /** Whether to follow the output until the tasks have ended. */
  readonly follow: boolean;
  /** Number of lines to show from the end of each stream; undefined means all. */
  readonly tail: number | undefined;
  readonly streams: readonly StreamName[];
  /** Which lines to show; nothing set means all. */
  readonly choice: LineChoice;
  /** Whether to show when each line was written. */
  readonly timestamps: boolean;
  /** Whether a terminal gets every byte, too. */
  readonly raw: boolean;
  /** Number of runs to go back from the newest one. */
  readonly back: number | undefined;
  readonly stateDir: string;
}

/**
 * A task's last output arrives a moment after its end. A log counts as complete once nothing has arrived for
 * this long.
 */
const quietMs = 200;

/**
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`, `LOG_MISSING`, `LOG_TIMES_MISSING`
 */
export async function showLogs(names: readonly string[], options: LogsOptions): Promise<number> {
  await using events = await EventLogs.open(options.stateDir);
  const named = names.map((name) => events.find({ name, back: options.back }));
  const runs = [...new Map(named.map((run) => [run.id, run])).values()];
  const prefixOf = prefixesOf(runs);
  const shown = runs.map((run) => openOutputs(run, prefixOf(run), options));
  await Promise.all(
    shown.map(async ({ run, outputs, kept }) => {
      try {
        if (kept !== undefined) return await showKept(kept, prefixOf(run), options);
        for (const output of outputs) await output.show();
        if (options.follow) await followUntilEnd(events, run, outputs);
      } finally {
        for (const output of outputs) await output.close();
      }
    }),
  );
  return 0;
}

interface ShownTask {
  readonly run: ChosenRun;
  readonly outputs: readonly Output[];
  /** What its history has of a run whose log files are gone. */
  readonly kept?: KeptEnd;
}

/** What begins each line of a stream; undefined for the output of a single task. */
type Prefixes = (stream: StreamName) => string | undefined;

function prefixesOf(runs: readonly ChosenRun[]): (run: ChosenRun) => Prefixes {
  const isUnique = new Set(runs.map(({ id }) => taskName(id))).size === runs.length;
  const nameOf = ({ id }: ChosenRun) => (isUnique ? taskName(id) : shortNameOf(id));
  const labels = new TaskLabels(runs.map(nameOf));
  return (run) => (stream) =>
    runs.length > 1 ? labels.prefix(nameOf(run), stream, styleFor(process[stream])) : undefined;
}

/** Opens the logs of a run. Those of all are opened before any of them is shown. */
function openOutputs(run: ChosenRun, prefixOf: Prefixes, options: LogsOptions): ShownTask {
  try {
    const { places, spans, to } = logsOf(run);
    const outputs = options.streams.map((stream) => {
      const log = new LogStream(places[stream], spans[stream]);
      return new Output(log, stream, prefixOf(stream), options);
    });
    if (outputs.every(({ exists }) => !exists)) throw logMissing();
    const { choice, timestamps } = options;
    const asksTimes = timestamps || choice.since !== undefined || choice.until !== undefined;
    if (asksTimes && outputs.every(({ hasTimes }) => !hasTimes)) throw timesMissing(to);
    return { run, outputs };
  } catch (thrown) {
    if (!(thrown instanceof DriverError)) throw thrown;
    const kept = thrown.code === "LOG_MISSING" ? keptEndIn(readHistory(run.reader, run.id)) : undefined;
    if (kept !== undefined) return { run, outputs: [], kept };
    throw thrown.within(`task ${taskName(run.id)}`);
  }
}

/** Shows what a history has of the output. It has no times. */
async function showKept(
  kept: KeptEnd,
  prefixOf: Prefixes,
  { streams, tail, raw, choice: { matching } }: LogsOptions,
): Promise<void> {
  const note = "[exec2: the log files are gone; the history has the end of the output]";
  await writeTo("stderr", Buffer.from(`${styleFor(process.stderr).dim(note)}\n`));
  for (const stream of streams) {
    const shown = new ShownOutput({ filters: process[stream].isTTY && !raw, prefix: prefixOf(stream) });
    const lines = kept[stream].split(/(?<=\n)/);
    const chosen = lines.filter(
      (line) => matching === undefined || matching.test(line.replace(/\r?\n$/, "")),
    );
    const last = tail === undefined ? chosen : chosen.slice(Math.max(0, chosen.length - tail));
    await writeTo(stream, Buffer.concat([shown.push(Buffer.from(last.join(""))), shown.end()]));
  }
}

function timesMissing(to: Destination["to"]): DriverError {
  return new DriverError("LOG_TIMES_MISSING", "nothing says when its output was written", {
    hint:
      to === "agent"
        ? `The agent's collector writes no times; the driver's does: log_collection = "driver"`
        : to === "journald"
          ? "journalctl shows the times of what is in journald: the task's log says with which filter"
          : "The files of times beside its log files are gone, or could not be written",
  });
}

interface RunLogs {
  readonly to: Destination["to"];
  readonly places: Readonly<Record<StreamName, LogPlace>>;
  /** What the run itself has written, if the driver writes the log files: all runs of a task share them. */
  readonly spans: Readonly<Record<StreamName, LogSpan>>;
}

function logsOf({ id, reader }: ChosenRun): RunLogs {
  const { context } = foldReadable(readHistory(reader, id));
  const own = ownOutput(context);
  const spanOf = (stream: StreamName) =>
    own === undefined ? LogSpan.whole : new LogSpan(own.from[stream], own.until?.[stream]);
  return {
    places: logPlaces(context.request),
    to: destinationOf(context.request).to,
    spans: { stdout: spanOf("stdout"), stderr: spanOf("stderr") },
  };
}

/** One stream of a task, shown on the stream of the same name. */
class Output {
  readonly #log: LogStream;
  readonly #stream: StreamName;
  readonly #shown: ShownOutput;
  /** The lines to choose from; undefined shows the bytes as they are. */
  readonly #lines: TimedLines | undefined;
  readonly #timestamps: boolean;
  /** How many of the chosen lines to show at first. */
  readonly #tail: number | undefined;
  #isFirst = true;

  constructor(
    log: LogStream,
    stream: StreamName,
    prefix: string | undefined,
    { tail, raw, choice, timestamps }: Pick<LogsOptions, "tail" | "raw" | "choice" | "timestamps">,
  ) {
    this.#log = log;
    this.#stream = stream;
    this.#shown = new ShownOutput({ filters: process[stream].isTTY && !raw, prefix });
    this.#timestamps = timestamps;
    this.#tail = tail;
    const chooses = Object.values(choice).some((each) => each !== undefined);
    if (chooses || timestamps) this.#lines = new TimedLines(log, choice);
    // Without a choice, the last lines need not be looked for among all.
    if (tail !== undefined && !chooses) log.seekLines(tail, maxSeekBytes);
  }

  get hasTimes(): boolean {
    return this.#log.hasTimes;
  }

  get exists(): boolean {
    return this.#log.exists;
  }

  /** Calls `changed` after each change in the folder that the task's streams share, until `close`. */
  watch(changed: () => void): void {
    this.#log.watch(changed);
  }

  get stream(): StreamName {
    return this.#stream;
  }

  /** Shows from now on only what is in a part of the log. */
  limit(span: LogSpan): void {
    this.#log.limit(span);
  }

  /** Shows the output that has arrived. */
  async show(): Promise<void> {
    if (this.#lines !== undefined) return await this.#showLines(this.#lines);
    for (let bytes = this.#log.read(); bytes !== undefined; bytes = this.#log.read()) {
      await writeTo(this.#stream, this.#shown.push(bytes));
    }
  }

  async #showLines(lines: TimedLines): Promise<void> {
    const tail = this.#isFirst ? this.#tail : undefined;
    this.#isFirst = false;
    let last: TimedLine[] = [];
    for (let chosen = lines.read(); chosen !== undefined; chosen = lines.read()) {
      if (tail === undefined) await this.#write(chosen);
      else last = tail === 0 ? [] : [...last, ...chosen].slice(-tail);
    }
    await this.#write(last);
  }

  async #write(lines: readonly TimedLine[]): Promise<void> {
    const shown = lines.flatMap((line) => (this.#timestamps ? [shownTime(line), line.bytes] : [line.bytes]));
    await writeTo(this.#stream, this.#shown.push(Buffer.concat(shown)));
  }

  async close(): Promise<void> {
    await this.#write(this.#lines?.end() ?? []);
    await writeTo(this.#stream, this.#shown.end());
    this.#log.close();
  }
}

/** Output between two notes of the logger's was written within a second, as long as they are kept. */
const exactMs = 1000;

/** `2026-11-24 16:05:09.123 `; with `~` if the line may be later; blank if nothing says it. */
function shownTime({ time }: TimedLine): Buffer {
  const text = time === undefined ? "" : formatTime(time.from || time.until);
  const isExact = time === undefined || (time.from > 0 && time.until - time.from <= exactMs);
  return Buffer.from(`${text.padEnd(timeWidth)}${isExact ? "" : "~"} `);
}

const timeWidth = formatTime(0).length;

async function followUntilEnd(events: EventLogs, run: ChosenRun, outputs: readonly Output[]): Promise<void> {
  let changed = Promise.withResolvers<void>();
  outputs[0]?.watch(() => changed.resolve());
  let over = false;
  const end = events.untilOver(run).then(() => {
    // The next run writes to the same files.
    const { spans } = logsOf(run);
    for (const output of outputs) output.limit(spans[output.stream]);
    over = true;
  });
  const gone = new Promise<void>((resolve) => onOutputFailure(() => resolve()));
  while (!hasFailed("stdout")) {
    const wasOver = over;
    changed = Promise.withResolvers();
    for (const output of outputs) await output.show();
    const quiet = wasOver ? delay(quietMs, "quiet" as const) : end;
    if ((await Promise.race([changed.promise, quiet, gone])) === "quiet") return;
  }
}
