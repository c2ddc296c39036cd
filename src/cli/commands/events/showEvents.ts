/** `events`: shows what happened to the tasks of this host. */
import { filter, map, type Observable, takeWhile } from "rxjs";
import { taskName } from "../../../base/taskId.ts";
import { shownEvent } from "../../../history/replay/mask.ts";
import { sequenceDiagram } from "../../../history/why/sequenceDiagram.ts";
import { whenAborted } from "../../../localAgent/task/interrupts.ts";
import type { StoredEvent } from "../../../store/eventStore.ts";
import type { Pin } from "../../../store/folder/keptHistories.ts";
import { formatTime } from "../../../units/times.ts";
import { visible, visibleJson } from "../../../units/visible.ts";
import { EventLogs, jobIn, type TaskPlace } from "../../histories/eventLogs.ts";
import { EventView } from "../../histories/eventView.ts";
import { type TaskHistory, taskHistory } from "../../histories/readHistory.ts";
import { earlierText, historyTable } from "../../tasks/taskListing.ts";
import { onOutputFailure, print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";

export type EventsFormat = "table" | "json" | "jsonl" | "mermaid";

/** An event as JSON: docs/schemas/events.schema.json describes it. */
interface NamedEvent extends StoredEvent {
  /** The id of the job; null if it is unknown. */
  readonly job: string | null;
  readonly task: string;
}

export interface ShowOptions {
  /** Whether to continue with new events, as a table or as JSON lines. */
  readonly follow: boolean;
  readonly format: EventsFormat;
  /** The table of all tasks lists this many of the newest tasks. */
  readonly last: number;
  /** False masks possible secrets. */
  readonly showArgs: boolean;
  /** Shows only events after this position; undefined: all. */
  readonly after: number | undefined;
}

/**
 * @param place the task whose events to show; without a name, all tasks
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND`
 */
export async function showEvents(place: TaskPlace, options: ShowOptions): Promise<number> {
  await using logs = await EventLogs.openFor(place);
  const outputGone = new AbortController();
  onOutputFailure(() => outputGone.abort());
  const { format, showArgs } = options;
  if (format === "mermaid") {
    // GitHub and others show a code fence of this kind as a diagram.
    print(`\`\`\`mermaid\n${sequenceDiagram(logs.history(place, showArgs).history)}\`\`\``);
  } else {
    await show(logs, place, { ...options, format }, outputGone.signal);
  }
  return 0;
}

async function show(
  logs: EventLogs,
  place: TaskPlace,
  {
    follow,
    format,
    last,
    showArgs,
    after,
  }: ShowOptions & { readonly format: Exclude<EventsFormat, "mermaid"> },
  outputGone: AbortSignal,
): Promise<void> {
  // Without a name, `--run` chooses among all runs, such as those of a bundle.
  const run = place.name === undefined && place.back === undefined ? undefined : logs.find(place);
  const id = run?.id;
  const shown = shownEvent(showArgs);
  // The table of all tasks shows one row per task, and no single events.
  const stored = id === undefined && format === "table" ? [] : logs.events(id, after);
  const task = id === undefined ? undefined : taskHistory(id, stored);
  const pin = id === undefined ? undefined : logs.pins().get(id);
  const notes = [run?.note, pin && pinText(pin)].filter((note) => note !== undefined);
  const view = format === "table" ? tableView(logs, last, task, notes) : jsonView(logs, format);
  view.all(stored.map(shown));
  // A destroyed task has no further events.
  if (!follow || task?.state === "destroyed") return;
  const ofTask = logs.coming().pipe(
    filter(({ stream }) => task === undefined || stream === task.id),
    takeWhile(({ to }) => task === undefined || to !== "destroyed", true),
    map(shown),
  );
  await forEach(ofTask, outputGone, view.next);
}

function pinText({ at, reason }: Pin): string {
  return `pinned ${formatTime(at)}${reason === "" ? "" : `: ${visible(reason)}`}`;
}

interface View {
  readonly all: (events: readonly StoredEvent[]) => void;
  readonly next: (event: StoredEvent) => void;
}

/**
 * @param last how many of the newest tasks to list
 * @param task undefined to show all tasks, and then their new events
 * @param notes on the task's other runs, and on its pin
 */
function tableView(
  logs: EventLogs,
  last: number,
  task: TaskHistory | undefined,
  notes: readonly string[],
): View {
  const [style, width] = [styleFor(process.stdout), widthOf(process.stdout)];
  const view = new EventView(style, width);
  if (task !== undefined) {
    return {
      all: (events) => print(view.task(task, events, notes)),
      next: (event) => print(view.next(event)),
    };
  }
  return {
    all: () => {
      print(historyTable(logs.histories(last), Date.now(), logs.pins(), style, width));
      const left = logs.tasks().length - last;
      if (left > 0) print(earlierText(left));
    },
    next: (event) => print(view.live(event)),
  };
}

function jsonView(logs: EventLogs, format: "json" | "jsonl"): View {
  const jobs = new Map<string, string | null>();
  const named = (event: StoredEvent): NamedEvent => {
    const { stream } = event;
    // The log's own list of runs is asked only for a run whose request is not among the events.
    const known = jobs.get(stream);
    const job = known === undefined ? (jobIn(event) ?? logs.jobOf(stream)) : known;
    // A run that is over has no further events, so the map stays as small as the number of living runs.
    if (event.to === "destroyed") jobs.delete(stream);
    else jobs.set(stream, job);
    return { job, task: taskName(stream), ...event };
  };
  const next = (event: StoredEvent) => print(visibleJson(named(event)));
  return {
    all: (events) => (format === "json" ? print(visibleJson(events.map(named), 2)) : events.forEach(next)),
    next,
  };
}

/** Resolves when there are no more events, or when `enough` is aborted. */
function forEach(
  events: Observable<StoredEvent>,
  enough: AbortSignal,
  use: (event: StoredEvent) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const subscription = events.subscribe({ next: use, error: reject, complete: resolve });
    whenAborted(enough, () => {
      subscription.unsubscribe();
      resolve();
    });
  });
}
