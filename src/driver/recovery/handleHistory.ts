/**
 * Rebuilds a task's history from the agent's handle if the event log is lost or
 * cannot be read. The handle has all that a takeover needs. Pure.
 */
import { defaultTaskOptions } from "../../config/options/taskOptions.ts";
import { type TaskEvent, taskEvent } from "../../machines/events.ts";
import { initialSnapshot } from "../../machines/fold.ts";
import type { EventToAppend } from "../../store/eventStore.ts";
import type { RecoverableHandle } from "../driverPort.ts";
import type { DriverServices } from "../opening/services.ts";
import { fingerprintedEvent, requestedEvent } from "../start/startEvents.ts";
import { advance } from "../task/storedEvents.ts";
import type { TaskHistory } from "../task/task.ts";
import type { HandleState } from "../task/taskHandle.ts";

/** A history, and its events to store. */
export interface RebuiltHistory extends TaskHistory {
  readonly events: readonly EventToAppend[];
}

/** The handle does not have a task's rights: these are the defaults. */
const unknownRights = {
  groups: [],
  capabilities: null,
  resourceLimits: [],
  umask: 0o022,
  nice: 0,
  seccomp: null,
};

export function historyFromHandle(
  { request }: RecoverableHandle,
  state: HandleState,
  { facts, plugin }: Pick<DriverServices, "facts" | "plugin">,
): RebuiltHistory {
  const options = request.options ?? defaultTaskOptions;
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
      privateTmp: false,
      sharedTmpReason: "not known: rebuilt from the agent's handle",
      oomKills: state.oomKills,
      runFolder: state.runFolder,
      runCgroup: state.runCgroup,
      init: state.init,
      ...unknownRights,
      plan: [],
    }),
    taskEvent("started", at, { init: state.init, task: state.task, bootId: state.bootId }),
  ];
  return rebuild(events);
}

/** The history of these events. */
export function rebuild(facts: readonly TaskEvent[]): RebuiltHistory {
  const { snapshot, events } = advance(initialSnapshot, facts);
  return { snapshot, version: events.length, events };
}
