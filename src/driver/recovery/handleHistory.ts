/**
 * Rebuilds a task's history from the agent's handle, for a task that the event log does not have, or whose
 * events cannot be read. A handle of this driver has all facts that a takeover needs. A handle of HashiCorp's
 * Go driver has fewer, and the rest is read from the host.
 */

import { join } from "node:path";
import { DriverError } from "../../base/errors.ts";
import { Secrets } from "../../base/masking.ts";
import {
  findGoDriverRun,
  type GoDriverFinding,
  type GoDriverRun,
} from "../../effects/adoption/goDriverRun.ts";
import { readOomKills } from "../../effects/cgroup/cgroup.ts";
import { egressLists } from "../../effects/egress/egress.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { destinationOf } from "../../effects/logs/destination.ts";
import { defaultTaskOptions, type TaskOptions } from "../../effects/parts.ts";
import { bootId } from "../../effects/processes/processIdentity.ts";
import { profileNames, seccompProfile } from "../../effects/seccomp/profileOptions.ts";
import { type EventData, type TaskEvent, taskEvent } from "../../machines/events.ts";
import { initialSnapshot } from "../../machines/taskMachine.ts";
import { runFolderName } from "../../store/folder/stateFolder.ts";
import type { RecoverableHandle } from "../driverPort.ts";
import { maskedEvent } from "../history/maskedEvent.ts";
import { fingerprintedEvent, requestedEvent } from "../history/startEvents.ts";
import { type Advance, advance } from "../history/taskHistory.ts";
import type { PluginOptions } from "../options/pluginOptions.ts";
import { unseenEndingOf } from "../run/ending.ts";
import { lostByReboot } from "../run/runEnd.ts";
import type { DriverServices } from "../services.ts";
import { decodeGoDriverHandle } from "./goDriverHandle.ts";
import { decodeHandle } from "./taskHandle.ts";

/**
 * @param reason why the event log cannot give the history
 * @throws DriverError `HANDLE_INVALID` for a handle of another task, or one that neither this driver nor the
 *   Go driver wrote
 */
export async function historyFromHandle(
  handle: RecoverableHandle,
  reason: string,
  services: DriverServices,
): Promise<Advance> {
  const { log } = services;
  const { taskId, driverState } = handle;
  const run = decodeGoDriverHandle(driverState, taskId);
  if (run === undefined) {
    const history = advance(initialSnapshot, ownEvents(handle, services));
    log.warn("a task is recovered from the agent's handle, without the event log", {
      task_id: taskId,
      reason,
    });
    return history;
  }
  const history = await adoptedHistory(handle, run, services);
  log.info("a task comes from the Go driver", {
    task_id: taskId,
    pid: run.pid,
    state: history.snapshot.value,
  });
  return history;
}

/** The events of a start, as far as the handle has them. */
function ownEvents(
  { taskId, driverState, request }: RecoverableHandle,
  { facts, plugin, options: pluginOptions }: DriverServices,
): readonly TaskEvent[] {
  const state = decodeHandle(driverState);
  if (state.taskId !== taskId)
    throw new DriverError("HANDLE_INVALID", `the handle of task ${taskId} belongs to task ${state.taskId}`);
  const { cgroupDelegate = false } = state;
  const options = request.options ?? { ...defaultTaskOptions(), cgroupDelegate };
  const output = destinationOf(state);
  // All events have the time of the start, the only time in the handle.
  const at = state.startedAt;
  return [
    taskEvent("requested", at, withoutSecrets({ ...request, output, options }, plugin)),
    taskEvent("fingerprinted", at, { ...fingerprintedEvent(facts), bootId: state.bootId }),
    taskEvent("sandboxed", at, {
      command: options.command,
      workDir: options.workDir ?? "",
      user: request.user,
      uid: state.uid,
      gid: state.gid,
      limits: [],
      unveiled: [],
      skipped: [],
      output: null,
      root: "host",
      privateTmp: false,
      sharedTmpReason: "not known: rebuilt from the agent's handle",
      unrecordedDenials: "not known: rebuilt from the agent's handle",
      oomKills: state.oomKills,
      runFolder: state.runFolder,
      runCgroup: state.runCgroup,
      init: state.init,
      ...unknownRights,
      seccomp: facts.seccomp ? profileOf(options, pluginOptions) : null,
      egress: rebuiltEgress(options, pluginOptions),
      plan: [],
    }),
    taskEvent("started", at, { init: state.init, task: state.task, bootId: state.bootId }),
  ];
}

function withoutSecrets(request: TaskRequest, plugin: DriverServices["plugin"]): EventData<"requested"> {
  return maskedEvent("requested", requestedEvent(request, "", plugin), new Secrets(request.env, true));
}

/** The kernel's rules know the addresses of names; the handle does not. */
function rebuiltEgress(options: TaskOptions, plugin: PluginOptions) {
  const lists = egressLists(options, plugin);
  return lists === undefined
    ? null
    : { allowed: lists.allowed && [...lists.allowed], denied: [...lists.denied], names: [] };
}

/** The handle does not hold the task's rights. These are the defaults. */
const unknownRights = {
  groups: [],
  capabilities: null,
  resourceLimits: [],
  umask: 0o022,
  nice: 0,
};

/**
 * The seccomp profile for later commands in the task. Commands must not have more rights than the task. The
 * task's own profile is not known, so commands get the profile that a task with these options would get now.
 */
function profileOf({ seccomp, seccompAllow, seccompDeny }: TaskOptions, plugin: PluginOptions) {
  const { profile, allow, deny } = seccompProfile(
    {
      seccomp: seccomp !== undefined && profileNames(plugin).includes(seccomp) ? seccomp : undefined,
      seccompAllow,
      seccompDeny,
    },
    plugin,
  );
  return { profile, allow: [...allow], deny: [...deny] };
}

/**
 * The history of a Go driver's task: `requested` and `adopted`, then `exited` if the task
 * has ended, or `lost` if it cannot be taken over.
 */
async function adoptedHistory(
  { taskId, request }: RecoverableHandle,
  handle: GoDriverRun,
  services: DriverServices,
): Promise<Advance> {
  const { folder, plugin } = services;
  const options = request.options ?? defaultTaskOptions();
  const { cgroup } = request.resources;
  const found = findGoDriverRun(handle, cgroup);
  const time = Date.now();
  const adopted = advance(initialSnapshot, [
    // The handle's start time is the only known time before the adoption.
    taskEvent("requested", handle.startedAt, withoutSecrets({ ...request, options }, plugin)),
    taskEvent("adopted", time, {
      handle,
      found: found.kind === "running" ? processesOf(found) : null,
      oomKills: readOomKills(cgroup) ?? 0,
      runFolder: join(folder.run, runFolderName(taskId)),
      plugin,
    }),
  ]);
  if (found.kind === "running") return adopted;
  const end =
    found.kind === "ended"
      ? taskEvent("exited", time, await unseenEndingOf(adopted.snapshot, services))
      : taskEvent("lost", time, { reason: found.kind === "otherBoot" ? lostByReboot : found.reason });
  const { snapshot, events } = advance(adopted.snapshot, [end]);
  return { snapshot, events: [...adopted.events, ...events] };
}

type RunningRun = Extract<GoDriverFinding, { kind: "running" }>;

function processesOf({ init, task, uid, gid }: RunningRun) {
  return { init, task, uid, gid, bootId: bootId() };
}
