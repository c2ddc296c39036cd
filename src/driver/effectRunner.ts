/** Carries out the effects that the machine names, and sees to it that a failing one is told of. */
import { logStartError } from "../effects/logPipes.ts";
import { DriverError, messageOf } from "../errors.ts";
import type { EffectName } from "../machines/effects.ts";
import { isAlive, isOver } from "../machines/taskMachine.ts";
import { inspectHost } from "./effects/inspectHost.ts";
import { launchTask } from "./effects/launchTask.ts";
import { prepareSandbox } from "./effects/prepareSandbox.ts";
import { releaseRun } from "./effects/releaseRun.ts";
import { killRun, sendStopSignal, startKillTimer } from "./effects/stopTask.ts";
import { watchTask } from "./effects/watchTask.ts";
import { endRest } from "./endRest.ts";
import type { DriverServices } from "./services.ts";
import { startFailedEvent } from "./startFailedEvent.ts";
import type { Task } from "./task.ts";

type Effect = (task: Task, services: DriverServices) => Promise<void>;

const effects: Readonly<Record<EffectName, Effect>> = {
  inspectHost,
  prepareSandbox,
  launch: launchTask,
  watchExit: watchTask,
  sendStopSignal,
  startKillTimer,
  killRun,
  releaseRun,
};

/** Starts an effect. Never throws, never rejects: a failure becomes an event or, where it cannot, a log line. */
export function runEffect(name: EffectName, task: Task, services: DriverServices): void {
  effects[name](task, services)
    .catch((thrown: unknown) => reportFailure(name, task, services, thrown))
    .catch((thrown: unknown) =>
      services.log.error("a step of a task failed", {
        task_id: task.id,
        effect: name,
        error: messageOf(thrown),
      }),
    );
}

async function reportFailure(
  name: EffectName,
  task: Task,
  services: DriverServices,
  thrown: unknown,
): Promise<void> {
  const { log } = services;
  const error = DriverError.from(thrown, "LAUNCH_FAILED", `the effect ${name} failed`);
  if (isAlive(task.state) || isOver(task.state)) {
    const { code, message } = error;
    log.error("a step of a task failed", { task_id: task.id, effect: name, code, error: message });
    return;
  }
  task.resources.startError = error;
  const { request } = task.resources;
  if (request) logStartError(request.stderrPath, request.allocDir, error);
  // Its agent removes the cgroup as soon as it is told.
  await endRest(task.snapshot);
  const recorded = await task.record("startFailed", startFailedEvent(error)).catch(() => false);
  if (recorded) return;
  // The store refuses: nobody will be told by an event.
  task.abandon(error);
  await releaseRun(task, services);
}
