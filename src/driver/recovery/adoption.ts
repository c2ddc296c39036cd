/** Takes over a task of HashiCorp's Go driver: builds its history from the handle and the host. */
import { defaultTaskOptions } from "../../config/options/taskOptions.ts";
import { findGoDriverRun, type GoDriverRun } from "../../effects/adoption/goDriverRun.ts";
import { readOomKills } from "../../effects/cgroup/cgroup.ts";
import { bootId } from "../../effects/processes/processIdentity.ts";
import type { TaskEvent } from "../../machines/events.ts";
import type { RecoverableHandle } from "../driverPort.ts";
import { requestedEvent } from "../history/startEvents.ts";
import { exitOf, lostByReboot } from "../run/runEnd.ts";
import type { DriverServices } from "../services.ts";
import { type RebuiltHistory, rebuild } from "./handleHistory.ts";

/**
 * The history of a Go driver's task: `requested` and `adopted`, then `exited` if the task
 * has ended, or `lost` if it cannot be taken over.
 */
export function adoptedHistory(
  { taskId, request }: RecoverableHandle,
  handle: GoDriverRun,
  { folder, plugin }: Pick<DriverServices, "folder" | "plugin">,
): RebuiltHistory {
  const options = request.options ?? defaultTaskOptions();
  const { cgroup } = request.resources;
  const finding = findGoDriverRun(handle, cgroup);
  const time = Date.now();
  const requested = requestedEvent({ ...request, options }, "", plugin);
  const events: TaskEvent[] = [
    // The handle's start time is the only known time before the adoption.
    { type: "requested", time: handle.startedAt, data: requested },
    {
      type: "adopted",
      time,
      data: {
        handle,
        found: finding.kind === "running" ? foundProcesses(finding) : null,
        oomKills: readOomKills(cgroup) ?? 0,
        runFolder: folder.runFolder(taskId),
        plugin,
      },
    },
  ];
  if (finding.kind === "ended") {
    events.push({ type: "exited", time, data: exitOf(rebuild(events).snapshot) });
  } else if (finding.kind !== "running") {
    const reason = finding.kind === "otherBoot" ? lostByReboot : finding.reason;
    events.push({ type: "lost", time, data: { reason } });
  }
  return rebuild(events);
}

function foundProcesses({
  init,
  task,
  uid,
  gid,
}: Extract<ReturnType<typeof findGoDriverRun>, { kind: "running" }>) {
  return { init, task, uid, gid, bootId: bootId() };
}
