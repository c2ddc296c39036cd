/** `logs`: shows the output of tasks. */
import { setTimeout as delay } from "node:timers/promises";
import { DriverError } from "../../../base/errors.ts";
import { shortNameOf, taskName } from "../../../base/taskId.ts";
import { type LogPlace, LogSpan, logMissing, logPlaces } from "../../../effects/logs/logFiles.ts";
import { LogStream, maxSeekBytes } from "../../../effects/logs/logStream.ts";
import { readHistory } from "../../../history/replay/storedHistory.ts";
import { ownOutput } from "../../../machines/taskContext.ts";
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
 * @throws DriverError `TASK_NOT_FOUND`, `LOG_MISSING`
 */
export async function showLogs(names: readonly string[], options: LogsOptions): Promise<number> {
  await using events = await EventLogs.open(options.stateDir);
  const runs = names.map((name) => events.find({ name, back: options.back }));
  const shown = openOutputs([...new Map(runs.map((run) => [run.id, run])).values()], options);
  await Promise.all(
    shown.map(async ({ run, outputs }) => {
      try {
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
}

/** Opens all logs, before any of them is shown. With several tasks, each line begins with its task's name. */
function openOutputs(runs: readonly ChosenRun[], options: LogsOptions): ShownTask[] {
  const isUnique = new Set(runs.map(({ id }) => taskName(id))).size === runs.length;
  const nameOf = ({ id }: ChosenRun) => (isUnique ? taskName(id) : shortNameOf(id));
  const labels = new TaskLabels(runs.map(nameOf));
  return runs.map((run) => {
    try {
      const { places, spans } = logsOf(run);
      const outputs = options.streams.map((stream) => {
        const style = styleFor(process[stream]);
        const prefix = runs.length > 1 ? labels.prefix(nameOf(run), stream, style) : undefined;
        return new Output(new LogStream(places[stream], spans[stream]), stream, prefix, options);
      });
      if (outputs.every(({ exists }) => !exists)) throw logMissing();
      return { run, outputs };
    } catch (thrown) {
      throw thrown instanceof DriverError ? thrown.within(`task ${taskName(run.id)}`) : thrown;
    }
  });
}

interface RunLogs {
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
    spans: { stdout: spanOf("stdout"), stderr: spanOf("stderr") },
  };
}

/** One stream of a task, shown on the stream of the same name. */
class Output {
  readonly #log: LogStream;
  readonly #stream: StreamName;
  readonly #shown: ShownOutput;

  constructor(
    log: LogStream,
    stream: StreamName,
    prefix: string | undefined,
    { tail, raw }: Pick<LogsOptions, "tail" | "raw">,
  ) {
    this.#log = log;
    this.#stream = stream;
    this.#shown = new ShownOutput({ filters: process[stream].isTTY && !raw, prefix });
    if (tail !== undefined) log.seekLines(tail, maxSeekBytes);
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
    for (let bytes = this.#log.read(); bytes !== undefined; bytes = this.#log.read()) {
      await writeTo(this.#stream, this.#shown.push(bytes));
    }
  }

  async close(): Promise<void> {
    await writeTo(this.#stream, this.#shown.end());
    this.#log.close();
  }
}

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
