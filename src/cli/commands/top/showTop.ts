/** `top`: shows the running tasks of this node, the busiest first, until a person quits. */
import { setTimeout as delay } from "node:timers/promises";
import { catchInterrupts, whenAborted } from "../../../client/task/interrupts.ts";
import { HostView } from "../../tasks/hostView.ts";
import { RunningTasks } from "../../tasks/nodeTasks.ts";
import { byCpu } from "../../tasks/taskRow.ts";
import { taskTable } from "../../tasks/taskTable.ts";
import { endKey } from "../../terminal/keyName.ts";
import { print } from "../../terminal/output.ts";
import { openScreen } from "../../terminal/screen.ts";
import { styleFor, widthOf } from "../../terminal/style.ts";
import { topFrame } from "./topFrame.ts";

/** The first frame shows averages since the tasks started, so the second one follows soon. */
const firstMs = 500;

const quitKeys: ReadonlySet<string> = new Set(["q", "Q", "C-c", "C-d", "escape", endKey]);

/**
 * @param intervalMs time between two frames; a file or a pipe gets one frame, measured over this time
 * @returns the exit code
 * @throws DriverError `STORE_FAILED` if there is no event log, or one cannot be read
 */
export async function showTop(stateDir: string, intervalMs: number): Promise<number> {
  const tasks = await RunningTasks.open(stateDir);
  try {
    if (process.stdout.isTTY) await showLive(tasks, intervalMs);
    else await showOnce(tasks, intervalMs);
  } finally {
    await tasks.close();
  }
  return 0;
}

async function showOnce(tasks: RunningTasks, intervalMs: number): Promise<void> {
  const view = new HostView();
  await view.rows(await tasks.current());
  await delay(intervalMs);
  const rows = await view.rows(await tasks.current());
  const { stdout } = process;
  print(taskTable(rows.toSorted(byCpu), styleFor(stdout), widthOf(stdout)).join("\n"));
}

async function showLive(tasks: RunningTasks, intervalMs: number): Promise<void> {
  const { stdin, stdout } = process;
  const style = styleFor(stdout);
  const view = new HostView();
  const enough = new AbortController();
  const interrupts = catchInterrupts();
  whenAborted(interrupts.stop, () => enough.abort());
  let rows = await view.rows(await tasks.current());
  const draw = () => {
    const size = { columns: stdout.columns, rows: stdout.rows };
    screen.draw(topFrame(rows, new Date().toTimeString().slice(0, 8), style, size));
  };
  const screen = openScreen(stdout, stdin, {
    onKey: (key) => quitKeys.has(key) && enough.abort(),
    onChange: () => draw(),
  });
  try {
    draw();
    for (let wait = firstMs; await passes(wait, enough.signal); wait = intervalMs) {
      rows = await view.rows(await tasks.current());
      draw();
    }
  } finally {
    screen.close();
    interrupts.release();
  }
}

/** Waits; false if the signal is aborted before the time is over. */
async function passes(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return delay(milliseconds, true, { signal }).catch(() => false);
}
