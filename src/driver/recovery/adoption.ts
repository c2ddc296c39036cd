/** Taking a task over that HashiCorp's Go driver has started: a history begins with what its handle and the host tell. */
import { defaultTaskOptions } from "../../config/options/taskOptions.ts";
import { findGoDriverRun, type GoDriverRun } from "../../effects/adoption/goDriverRun.ts";
import { readOomKills } from "../../effects/cgroup/cgroup.ts";
import { bootId } from "../../effects/processes/processIdentity.ts";
import type { TaskEvent } from "../../machines/events.ts";
import type { RecoverableHandle } from "../driverPort.ts";
import type { DriverServices } from "../opening/services.ts";
import { exitOf } from "../run/exit.ts";
import { requestedEvent } from "../start/requestedEvent.ts";
import { type RebuiltHistory, rebuild } from "./handleHistory.ts";

/**
 * The history of such a task: `requested`, `adopted`, and, where it is over or
 * cannot be taken over, how it ended or why it is lost.
 */
export function adoptedHistory(
  { taskId, request }: RecoverableHandle,
  handle: GoDriverRun,
  { folder, plugin }: Pick<DriverServices, "folder" | "plugin">,
): RebuiltHistory {
  const options = request.options ?? defaultTaskOptions;
  const { cgroup } = request.resources;
  const finding = findGoDriverRun(handle, cgroup);
  const time = Date.now();
  const requested = requestedEvent({ ...request, options }, "", plugin);
  const known: TaskEvent[] = [
    // The one time that is known of what came before.
    { type: "requested", time: handle.startedAt, data: requested },
    {
      type: "adopted",
      time,
      data: {
        handle,
        found: finding.kind === "running" ? processesIn(finding) : null,
        oomKills: readOomKills(cgroup) ?? 0,
        runFolder: folder.runFolder(taskId),
        plugin,
      },
    },
  ];
  if (finding.kind === "ended") {
    known.push({ type: "exited", time, data: exitOf(rebuild(known).snapshot) });
  } else if (finding.kind !== "running") {
    const reason = finding.kind === "otherBoot" ? rebooted : finding.reason;
    known.push({ type: "lost", time, data: { reason } });
  }
  return rebuild(known);
}

const rebooted = "the host was rebooted: its processes are gone";

function processesIn({
  init,
  task,
  uid,
  gid,
}: Extract<ReturnType<typeof findGoDriverRun>, { kind: "running" }>) {
  return { init, task, uid, gid, bootId: bootId() };
}
