/** `top`: shows the running tasks of this node until the user quits. */
import { setTimeout as delay } from "node:timers/promises";
import { catchInterrupts, whenAborted } from "../../../localAgent/task/interrupts.ts";
import { RunningTasks } from "../../tasks/nodeTasks.ts";
import { taskTable } from "../../tasks/taskListing.ts";
import { printRows } from "../../terminal/output.ts";
import { openScreen } from "../../terminal/screen.ts";
import { styleFor } from "../../terminal/style.ts";
import { matching, press, type TopView, topFrame } from "./topView.ts";

/** The first frame shows averages since the tasks started, so the second one follows soon. */
const firstMs = 500;

export interface TopOptions {
  /** What to show at first. */
  readonly view: TopView;
  readonly json: boolean;
  /** Time between two frames; a file or a pipe gets one frame, measured over this time. */
  readonly intervalMs: number;
}

/**
 * @returns the exit code
 * @throws DriverError `STORE_FAILED` if there is no event log, or a log cannot be read
 */
export async function showTop(stateDir: string, options: TopOptions): Promise<number> {
  await using tasks = await RunningTasks.open(stateDir);
  if (process.stdout.isTTY && !options.json) await showLive(tasks, options);
  else await showOnce(tasks, options);
  return 0;
}

async function showOnce(tasks: RunningTasks, { view, json, intervalMs }: TopOptions): Promise<void> {
  await tasks.rows();
  await delay(intervalMs);
  const rows = matching(await tasks.rows(), view).slice(0, view.limit);
  printRows("top", rows, json, (style, width) => taskTable(rows, style, width).join("\n"));
}

async function showLive(tasks: RunningTasks, { view: first, intervalMs }: TopOptions): Promise<void> {
  const { stdin, stdout } = process;
  const style = styleFor(stdout);
  let view = first;
  const quit = new AbortController();
  const interrupts = catchInterrupts();
  whenAborted(interrupts.stop, () => quit.abort());
  let rows = await tasks.rows();
  const draw = () => {
    const size = { columns: stdout.columns, rows: stdout.rows };
    screen.draw(topFrame(rows, view, new Date().toTimeString().slice(0, 8), style, size));
  };
  const screen = openScreen(stdout, stdin, {
    onKey: (key) => {
      const next = press(view, key);
      if (next === "quit") return quit.abort();
      view = next;
      draw();
    },
    onChange: () => draw(),
  });
  try {
    draw();
    for (let wait = firstMs; await hasElapsed(wait, quit.signal); wait = intervalMs) {
      rows = await tasks.rows();
      draw();
    }
  } finally {
    screen.close();
    interrupts.release();
  }
}

/** Waits; false if the signal is aborted before the time is over. */
async function hasElapsed(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return delay(milliseconds, true, { signal }).catch(() => false);
}
