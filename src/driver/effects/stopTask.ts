/** Carries out a stop: the signal, the time to obey it, and the kill after that. */
import { killInit, killTask, signalGroup } from "../../effects/signals.ts";
import type { Task } from "../task.ts";

/** How long init may take to end the rest of a killed run. */
const initGraceMs = 2_000;

export async function sendStopSignal(task: Task): Promise<void> {
  const { stop, process } = task.snapshot.context;
  if (stop === null || process === null) return;
  const delivered = signalGroup(process.task, stop.signal);
  await task.record("signalled", { signal: stop.signal, delivered });
}

export async function startKillTimer(task: Task): Promise<void> {
  const { stop } = task.snapshot.context;
  if (stop === null) return;
  clearTimeout(task.resources.killTimer);
  const { promise, resolve } = Promise.withResolvers<void>();
  task.resources.killTimer = setTimeout(resolve, stop.timeoutMs);
  await promise;
  await task.record("stopTimedOut", { timeoutMs: stop.timeoutMs });
}

/**
 * SIGKILL to the task's main process: init then ends the rest of the run and
 * records it. An init that cannot do so any more (stopped by someone, say) is
 * killed itself, and its pid namespace dies with it. Never the cgroup: the next
 * run may be in it already.
 */
export async function killRun(task: Task): Promise<void> {
  const { stop, process } = task.snapshot.context;
  if (process === null) return;
  clearTimeout(task.resources.killTimer);
  const delivered = killTask(process.task);
  if (delivered) task.resources.killed = true;
  task.resources.killTimer = setTimeout(() => {
    if (killInit(process.init)) task.resources.killed = true;
  }, initGraceMs);
  await task.record("forceKilled", {
    reason: stop?.timedOut ? "stopTimedOut" : "destroyRequested",
    delivered,
  });
}
