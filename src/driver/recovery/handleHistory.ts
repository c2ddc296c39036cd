/**
 * A task's history as far as the agent's handle tells it, for the case that the
 * event log is gone or cannot be read: enough to take the task over. Pure.
 */
import { defaultTaskOptions } from "../../config/options/taskOptions.ts";
import { type TaskEvent, taskEvent } from "../../machines/events.ts";
import { initialSnapshot } from "../../machines/fold.ts";
import type { EventToAppend } from "../../store/eventStore.ts";
import type { RecoverableHandle } from "../driverPort.ts";
import type { DriverServices } from "../opening/services.ts";
import { fingerprintedEvent } from "../start/fingerprintedEvent.ts";
import { requestedEvent } from "../start/requestedEvent.ts";
import { advance } from "../task/storedEvents.ts";
import type { TaskHistory } from "../task/task.ts";
import type { HandleState } from "../task/taskHandle.ts";

/** A history, and the events that are to be stored for it. */
export interface RebuiltHistory extends TaskHistory {
  readonly events: readonly EventToAppend[];
}

/** What nobody remembers of a task's rights. */
const forgottenRights = { groups: [], capabilities: null, resourceLimits: [], umask: 0o022, nice: 0 };

export function historyFromHandle(
  { request }: RecoverableHandle,
  state: HandleState,
  { facts, plugin }: Pick<DriverServices, "facts" | "plugin">,
): RebuiltHistory {
  const options = request.options ?? defaultTaskOptions;
  // All of them bear the time of the start: it is the one that is known.
  const at = state.startedAt;
  const known: readonly TaskEvent[] = [
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
      ...forgottenRights,
      plan: [],
    }),
    taskEvent("started", at, { init: state.init, task: state.task, bootId: state.bootId }),
  ];
  return rebuild(known);
}

/** A history of these facts. */
export function rebuild(known: readonly TaskEvent[]): RebuiltHistory {
  const { snapshot, events } = advance(initialSnapshot, known);
  return { snapshot, version: events.length, events };
}
