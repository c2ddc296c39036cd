/** `events`: shows what happened to the tasks of this host. */
import { filter, map, type Observable, takeWhile } from "rxjs";
import { whenAborted } from "../../../client/task/interrupts.ts";
import { shownEvent } from "../../../replay/mask.ts";
import type { StoredEvent } from "../../../store/eventStore.ts";
import { visibleJson } from "../../../units/visible.ts";
import { sequenceDiagram } from "../../../why/sequenceDiagram.ts";
import { EventLogs } from "../../logs/eventLogs.ts";
import { EventView } from "../../logs/eventView.ts";
import { type TaskHistory, taskHistory } from "../../logs/taskHistory.ts";
import { onOutputFailure, print } from "../../terminal/output.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import type { EventsFormat } from "./formats.ts";

export interface ShowOptions {
  /** Whether to continue with new events, as a table or as JSON lines. */
  readonly follow: boolean;
  readonly format: EventsFormat;
  /** False masks possible secrets. */
  readonly showArgs: boolean;
}

/**
 * @param name the task whose events to show; undefined means all tasks
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND` if the name matches no task, or several
 */
export async function showEvents(
  stateDir: string,
  name: string | undefined,
  options: ShowOptions,
): Promise<number> {
  const logs = await EventLogs.open(stateDir);
  const outputGone = new AbortController();
  onOutputFailure(() => outputGone.abort());
  try {
    const { format, showArgs } = options;
    if (format === "mermaid") {
      // GitHub and others draw code fences of this kind.
      print(`\`\`\`mermaid\n${sequenceDiagram(logs.history(name, showArgs))}\`\`\``);
    } else {
      await show(logs, name, { ...options, format }, outputGone.signal);
    }
  } finally {
    await logs.close();
  }
  return 0;
}

async function show(
  logs: EventLogs,
  name: string | undefined,
  { follow, format, showArgs }: ShowOptions & { readonly format: Exclude<EventsFormat, "mermaid"> },
  outputGone: AbortSignal,
): Promise<void> {
  const id = name === undefined ? undefined : logs.find(name).id;
  const shown = shownEvent(showArgs);
  // The table of all tasks shows their histories, no single events.
  const stored = id === undefined && format === "table" ? [] : logs.events(id);
  const task = id === undefined ? undefined : taskHistory(id, stored);
  const view = format === "table" ? tableView(logs, task) : jsonView(format);
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

interface View {
  readonly all: (events: readonly StoredEvent[]) => void;
  readonly next: (event: StoredEvent) => void;
}

/** @param task undefined shows all tasks, then their new events */
function tableView(logs: EventLogs, task: TaskHistory | undefined): View {
  const view = new EventView(styleFor(process.stdout), widthOf(process.stdout));
  return {
    all: (events) => print(task ? view.task(task, events) : view.tasks(logs.histories(), Date.now())),
    next: (event) => print(task ? view.next(event) : view.live(event)),
  };
}

function jsonView(format: "json" | "jsonl"): View {
  const next = (event: StoredEvent) => print(visibleJson(event));
  return {
    all: (events) => (format === "json" ? print(visibleJson(events, 2)) : events.forEach(next)),
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
