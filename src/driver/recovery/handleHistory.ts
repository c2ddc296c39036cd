/**
 * Rebuilds a task's history from the agent's handle if the event log is lost or
 * cannot be read. The handle has all that a takeover needs. Pure.
 */
import type { PluginOptions } from "../../config/options/pluginOptions.ts";
import { defaultTaskOptions, type TaskOptions } from "../../config/options/taskOptions.ts";
import { profileNames, seccompProfile } from "../../config/seccomp/profileOptions.ts";
import { type TaskEvent, taskEvent } from "../../machines/events.ts";
import { initialSnapshot } from "../../machines/fold.ts";
import type { EventToAppend } from "../../store/eventStore.ts";
import type { RecoverableHandle } from "../driverPort.ts";
import { fingerprintedEvent, requestedEvent } from "../history/startEvents.ts";
import { advance } from "../history/storedEvents.ts";
import type { TaskHistory } from "../history/taskHistory.ts";
import type { DriverServices } from "../services.ts";
import type { HandleState } from "./taskHandle.ts";

/** A history, and its events to store. */
export interface RebuiltHistory extends TaskHistory {
  readonly events: readonly EventToAppend[];
}

/** The handle does not hold the task's rights. These are the defaults. */
const unknownRights = {
  groups: [],
  capabilities: null,
  resourceLimits: [],
  umask: 0o022,
  nice: 0,
};

export function historyFromHandle(
  { request }: RecoverableHandle,
  state: HandleState,
  services: Pick<DriverServices, "facts" | "plugin" | "options">,
): RebuiltHistory {
  const { facts, plugin } = services;
  const options = request.options ?? defaultTaskOptions();
  // All events have the time of the start, the only time in the handle.
  const at = state.startedAt;
  const events: readonly TaskEvent[] = [
    taskEvent("requested", at, requestedEvent({ ...request, options }, "", plugin)),
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
      root: "host",
      privateTmp: false,
      sharedTmpReason: "not known: rebuilt from the agent's handle",
      unrecordedDenials: "not known: rebuilt from the agent's handle",
      oomKills: state.oomKills,
      runFolder: state.runFolder,
      runCgroup: state.runCgroup,
      init: state.init,
      ...unknownRights,
      seccomp: facts.seccomp ? profileOf(options, services.options) : null,
      plan: [],
    }),
    taskEvent("started", at, { init: state.init, task: state.task, bootId: state.bootId }),
  ];
  return rebuild(events);
}

/**
 * The seccomp profile for later commands in the task, which must not have more rights than the task. The
 * task's own profile is not known, so commands get the one that a task with these options would get now.
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

/** Folds the events of a new stream. */
export function rebuild(facts: readonly TaskEvent[]): RebuiltHistory {
  const { snapshot, events } = advance(initialSnapshot, facts);
  return { snapshot, version: events.length, events };
}
