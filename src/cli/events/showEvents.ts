/** `events`: what happened to the tasks of this host. */
import { filter, type Observable, takeWhile } from "rxjs";
import { chooseTask } from "../../replay/chooseTask.ts";
import type { StoredEvent } from "../../store/eventStore.ts";
import { whenAborted } from "../local/interrupts.ts";
import { whenReaderGone } from "../terminal/closedPipes.ts";
import { styleFor, widthOf } from "../terminal/style.ts";
import { EventLogs } from "./eventLogs.ts";
import { EventView } from "./eventView.ts";

export interface ShowOptions {
  readonly follow: boolean;
  readonly json: boolean;
}

/**
 * @param name of the task whose events to show; undefined: all tasks
 * @returns the exit code
 * @throws DriverError `TASK_NOT_FOUND` where the name means no task, or several
 */
export async function showEvents(
  stateDir: string,
  name: string | undefined,
  options: ShowOptions,
): Promise<number> {
  const logs = await EventLogs.open(stateDir);
  const readerGone = new AbortController();
  whenReaderGone(() => readerGone.abort());
  try {
    await show(logs, name, options, readerGone.signal);
  } finally {
    await logs.close();
  }
  return 0;
}

async function show(
  logs: EventLogs,
  name: string | undefined,
  { follow, json }: ShowOptions,
  readerGone: AbortSignal,
): Promise<void> {
  const print = (text: string) => void process.stdout.write(`${text}\n`);
  const histories = logs.histories();
  const task = name === undefined ? undefined : chooseTask(name, histories);
  const view = new EventView(styleFor(process.stdout), widthOf(process.stdout));
  const stored = json || task ? logs.events(task?.id) : [];
  if (json) for (const event of stored) print(JSON.stringify(event));
  else print(task ? view.task(task, stored) : view.tasks(histories, Date.now()));
  // Nothing comes after its end.
  if (!follow || task?.state === "destroyed") return;
  const ofTask = logs.coming().pipe(
    filter(({ stream }) => task === undefined || stream === task.id),
    takeWhile(({ to }) => task === undefined || to !== "destroyed", true),
  );
  await forEach(ofTask, readerGone, (event) => {
    print(json ? JSON.stringify(event) : task ? view.next(event) : view.live(event));
  });
}

/** Resolves when there are no more events, or nobody is left to see them. */
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
