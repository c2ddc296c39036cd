/** `top`: shows the running tasks of this node until the user quits. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { selfCommand } from "../../../grpc/lifeline.ts";
import { usageSpans } from "../../../history/why/usage.ts";
import { catchInterrupts, whenAborted } from "../../../localAgent/task/interrupts.ts";
import { RunningTasks } from "../../tasks/nodeTasks.ts";
import { taskTable } from "../../tasks/taskListing.ts";
import type { TaskRow } from "../../tasks/taskRow.ts";
import { printRows } from "../../terminal/output.ts";
import { openScreen } from "../../terminal/screen.ts";
import { styleFor } from "../../terminal/style.ts";
import { matching, press, selectedRow, type TopAction, type TopView, topFrame } from "./topView.ts";
import type { UsagePoint } from "./usageLines.ts";

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
  if (process.stdout.isTTY && !options.json) await showLive(stateDir, tasks, options);
  else await showOnce(tasks, options);
  return 0;
}

async function showOnce(tasks: RunningTasks, { view, json, intervalMs }: TopOptions): Promise<void> {
  await tasks.rows(view.failed);
  await delay(intervalMs);
  const rows = matching(await tasks.rows(view.failed), view).slice(0, view.limit);
  printRows("top", rows, json, (style, width) => taskTable(rows, style, width).join("\n"));
}

async function showLive(
  stateDir: string,
  tasks: RunningTasks,
  { view: first, intervalMs }: TopOptions,
): Promise<void> {
  const { stdin, stdout } = process;
  const style = styleFor(stdout);
  let view = first;
  const quit = new AbortController();
  const catching = () => {
    const caught = catchInterrupts();
    whenAborted(caught.stop, () => quit.abort());
    return caught;
  };
  let interrupts = catching();
  const seen = new SeenUsage(tasks);
  let rows = await tasks.rows(view.failed);
  const draw = () => {
    const size = { columns: stdout.columns, rows: stdout.rows };
    const selected = selectedRow(rows, view);
    const usage = selected === undefined ? [] : seen.of(selected.id);
    screen.draw(topFrame(rows, view, new Date().toTimeString().slice(0, 8), style, size, usage));
  };
  const refresh = async () => {
    rows = await tasks.rows(view.failed);
    seen.note(rows);
    draw();
  };
  /** Another program has the terminal. */
  let away: Promise<void> | undefined;
  const leave = async (action: TopAction) => {
    screen.pause();
    // Ctrl-C is for the other program.
    interrupts.release();
    const ignore = () => undefined;
    process.on("SIGINT", ignore);
    try {
      await runVerb(stateDir, action);
    } finally {
      interrupts = catching();
      process.off("SIGINT", ignore);
      away = undefined;
      screen.resume();
    }
  };
  const screen = openScreen(stdout, stdin, {
    onKey: (key) => {
      if (away !== undefined) return;
      const next = press(view, key, matching(rows, view).slice(0, view.limit));
      if (next === "quit") return quit.abort();
      if ("verb" in next) {
        view = { ...view, selected: next.id, asks: undefined };
        away = leave(next);
        return;
      }
      const isOther = next.failed !== view.failed;
      view = next;
      draw();
      if (isOther) void refresh().catch(() => quit.abort());
    },
    onChange: () => draw(),
  });
  try {
    seen.note(rows);
    draw();
    for (let wait = firstMs; await hasElapsed(wait, quit.signal); wait = intervalMs) {
      await away;
      if (quit.signal.aborted) break;
      await refresh();
    }
  } finally {
    screen.close();
    interrupts.release();
  }
}

/** Usage of the tasks: what is stored of it, and what this program has seen since. */
class SeenUsage {
  readonly #tasks: RunningTasks;
  readonly #seen = new Map<string, UsagePoint[]>();
  /** What was stored of the task that was asked for last. */
  #stored: { readonly id: string; readonly points: readonly UsagePoint[] } | undefined;

  constructor(tasks: RunningTasks) {
    this.#tasks = tasks;
  }

  note(rows: readonly TaskRow[]): void {
    this.#stored = undefined;
    const time = Date.now();
    const ids = new Set(rows.map(({ id }) => id));
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id);
    for (const { id, cpuPercent, memoryBytes } of rows) {
      if (cpuPercent === null && memoryBytes === null) continue;
      const points = this.#seen.get(id) ?? [];
      const spanMs = time - (points.at(-1)?.time ?? time);
      const cores = cpuPercent === null || points.length === 0 ? null : cpuPercent / 100;
      this.#seen.set(id, [...points, { time, spanMs, cores, memoryBytes }].slice(-maxSeen));
    }
  }

  of(id: string): readonly UsagePoint[] {
    if (this.#stored?.id !== id) this.#stored = { id, points: usageSpans(this.#tasks.usage(id)) };
    const stored = this.#stored.points;
    const last = stored.at(-1)?.time ?? 0;
    return [...stored, ...(this.#seen.get(id) ?? []).filter(({ time }) => time > last)];
  }
}

const maxSeen = 600;

/** The arguments with which this program does it. */
function argumentsOf({ verb, id }: TopAction, stateDir: string): readonly string[] {
  const place = ["--state-dir", stateDir];
  switch (verb) {
    case "logs":
      return ["logs", ...place, "-f", "-n", "100", id];
    case "shell":
      return ["exec", ...place, id, "sh"];
    case "page":
      return ["inspect", ...place, "--port", "0"];
    default:
      return [verb, ...place, id];
  }
}

/** Runs a verb of this program in the terminal, and waits until the person has read what it showed. */
async function runVerb(stateDir: string, action: TopAction): Promise<void> {
  const { command, args, name } = selfCommand();
  const child = spawn(command, [...args, ...argumentsOf(action, stateDir)], {
    stdio: "inherit",
    argv0: name,
  });
  const [code] = (await once(child, "exit").catch(() => [null])) as [number | null];
  // Ctrl-C has ended what does not end by itself, and a shell has nothing more to show.
  const isRead = action.verb === "shell" || action.verb === "page";
  if (code === null || (code === 0 && isRead)) return;
  process.stdout.write("\nAny key shows the tasks again. ");
  await anyKey();
}

async function anyKey(): Promise<void> {
  const { stdin } = process;
  if (!stdin.isTTY) return;
  stdin.setRawMode(true);
  stdin.resume();
  await Promise.race([once(stdin, "data"), once(stdin, "end")]).catch(() => undefined);
}

/** Waits; false if the signal is aborted before the time is over. */
async function hasElapsed(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  return delay(milliseconds, true, { signal }).catch(() => false);
}
