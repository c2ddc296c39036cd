/**
 * Messages of the driver in `nomad alloc status`. Pure.
 *
 * The client keeps only the last ten events of a task. Its own events count among them. So a needless
 * message could displace the exit code of an earlier run. There is one message for each thing that a person
 * has to know, none for normal events, and none that repeats an event of the client.
 */
import { signalName } from "../../base/signalNames.ts";
import { describeTrigger } from "../../effects/cgroup/pressure.ts";
import { describeFill, levelOf } from "../../effects/disk/diskFill.ts";
import { adviceFor, isProbe } from "../../effects/verdicts.ts";
import { describeRefusal, type Refusal, refusalKey } from "../../machines/events/denied.ts";
import { describeStopCommand, stopCommandFailed } from "../../machines/events/ending.ts";
import type { EventData, TaskEvent } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { TaskSnapshot } from "../../machines/taskMachine.ts";
import { formatBytes } from "../../units/sizes.ts";
import { visible, visibleTexts } from "../../units/visible.ts";
import type { SharedUser } from "../start/taskUser.ts";

export interface TaskMessage {
  readonly message: string;
  readonly annotations: Readonly<Record<string, string>>;
}

/**
 * The message for an event; undefined if it needs none.
 * @param context the task's context after the event
 */
export function messageOfEvent(event: TaskEvent, context: TaskContext): TaskMessage | undefined {
  switch (event.type) {
    case "started":
      return joined([missingLimits(context.sandbox?.limits ?? []), missingNames(context.names)]);
    case "oomSeen": {
      const { kills } = event.data;
      const killed = kills === 1 ? "a process" : `${kills} processes`;
      const text = `Out of memory: the kernel has killed ${killed} of the task; the task keeps running`;
      return message(`${text}${memoryText(event.data)}`, memoryAnnotations(event.data));
    }
    case "stalled": {
      const { waitedMs, spanMs, ...trigger } = event.data;
      const { resource } = trigger;
      return message(`Stalled: ${describeTrigger(trigger)}; the task keeps running`, { stalled: resource });
    }
    case "diskFilled": {
      const level = levelOf(event.data);
      const text = `Disk limit ${level}: ${describeFill(event.data, event.data.folders)}`;
      return message(text, { disk_limit: level });
    }
    case "outputLost": {
      const { stdout, stderr, errno } = event.data;
      const bytes = stdout + stderr;
      const why = errno === null ? "the logger was killed" : errno;
      const text = `Output lost: ${formatBytes(bytes)} could not be written to the log files (${why}); the task keeps running`;
      return message(text, { lost_bytes: String(bytes), ...(errno !== null && { errno }) });
    }
    case "outputWaits": {
      const { waits } = event.data;
      const text = waits
        ? "Output waits: journald takes none; once its pipe is full, the task waits, too"
        : "Output waits no longer: journald takes it again";
      return message(text, {});
    }
    case "stopCommandEnded": {
      if (!stopCommandFailed(event.data)) return undefined;
      const signal = signalName(context.stop?.signal ?? 0);
      return message(`The stop command ${describeStopCommand(event.data)}; ${signal} is sent`, { signal });
    }
    case "stopTimedOut": {
      const { timeoutMs } = event.data;
      const signal = signalName(context.stop?.signal ?? 0);
      if (context.request?.options.stop_command !== undefined) {
        return message(`Killed: still running ${timeoutMs} ms after its stop was requested`, { signal });
      }
      return message(`Killed: still running ${timeoutMs} ms after ${signal}`, { signal });
    }
    case "exited":
      return messageOfExit(event.data, context);
    case "lost":
      return messageOfLoss(event.data.reason);
    default:
      return undefined;
  }
}

/**
 * The message for a task that is taken over: what happened while no plugin watched it.
 * @param snapshot the task's state in the log or the agent's handle, before `recovered` is recorded
 */
export function messageOfHistory({ value, context }: TaskSnapshot): TaskMessage | undefined {
  const { adopted, exit, lostReason, recoveries } = context;
  if (value === "lost") return messageOfLoss(lostReason ?? "the reason is unknown");
  if (value === "exited") return exit === null ? undefined : messageOfExit(exit, context);
  if (adopted === null || recoveries > 0) return undefined;
  const pid = String(adopted.handle.pid);
  return message(`Taken over from the Go driver, process ${pid}`, { pid });
}

/**
 * The message for refusals that no earlier message of the task has named.
 * @param named keys of the refusals that were named; the new ones are added
 */
export function messageOfDenial(
  { refusals }: EventData<"denied">,
  context: TaskContext,
  named: Set<string>,
): TaskMessage | undefined {
  const isNew = (refusal: Refusal) =>
    !isProbe(refusal, context) && !named.has(refusalKey(refusal)) && named.size < maxDenials;
  const unnamed = refusals.filter((refusal) => {
    const isFirst = isNew(refusal);
    if (isFirst) named.add(refusalKey(refusal));
    return isFirst;
  });
  if (unnamed.length === 0 || context.request === null) return undefined;
  const texts = unnamed.map((refusal) => {
    const advice = adviceFor(refusal, context);
    return `${describeRefusal({ ...refusal, count: 1 })}${advice === "" ? "" : `. ${advice}`}`;
  });
  return message(`Denied ${texts.join(". Denied ")}`, { denied: texts.join("; ") });
}

/**
 * Maximum number of kinds of refusals that a task's messages name. A program may try many things that it can
 * do without.
 */
const maxDenials = 3;

/** The message for a task whose user is also the user of other running tasks. */
export function messageOfSharedUser({ user, tasks }: SharedUser): TaskMessage {
  const what = tasks.length === 1 ? "another running task" : "other running tasks";
  const shared_with = tasks.join(", ");
  return message(`Runs as ${user}, the same user as ${what}: ${shared_with}`, { user, shared_with });
}

/** Whether some of a task's limits are not enforced. */
export function lacksLimits({ limits }: Pick<EventData<"sandboxed">, "limits">): boolean {
  return limits.some(({ applied }) => !applied);
}

function message(text: string, annotations: TaskMessage["annotations"] = {}): TaskMessage {
  return { message: visible(text), annotations: visibleTexts(annotations) };
}

/** One line for all limits that the host could not enforce, grouped by reason. */
function missingLimits(limits: EventData<"sandboxed">["limits"]): TaskMessage | undefined {
  if (!lacksLimits({ limits })) return undefined;
  const missing = limits.filter(({ applied }) => !applied);
  const byReason = Map.groupBy(missing, ({ reason = "the reason is unknown" }) => reason);
  const reasons = [...byReason].map(([reason, files]) => `${names(files)} (${reason})`);
  return message(`Runs without ${reasons.join(", ")}`, { not_limited: names(missing) });
}

/** One line for the names that the task may connect to, but that have no address yet. */
function missingNames(known: TaskContext["names"]): TaskMessage | undefined {
  const missing = known.filter(({ addresses }) => addresses.length === 0);
  if (missing.length === 0) return undefined;
  const texts = missing.map(({ name, problem }) => `${name} (${problem ?? "the reason is unknown"})`);
  const unresolved = missing.map(({ name }) => name).join(", ");
  return message(
    `Cannot connect yet to ${texts.join(", ")}: its egress has these names, which are looked up again`,
    {
      unresolved,
    },
  );
}

/** One message of all; undefined without any. */
function joined(messages: readonly (TaskMessage | undefined)[]): TaskMessage | undefined {
  const all = messages.filter((each) => each !== undefined);
  if (all.length === 0) return undefined;
  return {
    message: all.map((each) => each.message).join(". "),
    annotations: Object.assign({}, ...all.map(({ annotations }) => annotations)),
  };
}

function names(limits: EventData<"sandboxed">["limits"]): string {
  return limits.map(({ file }) => file).join(", ");
}

function messageOfExit(
  { source, oomKilled, oom }: EventData<"exited">,
  context: TaskContext,
): TaskMessage | undefined {
  if (source === "unknown") return message("The task is gone and its exit code is unknown");
  if (source === "taskFile")
    return message("Exit code from the file that the Go driver wrote in the task's own folder");
  const annotations = memoryAnnotations(oom);
  if (oomKilled) {
    const text = `Killed by the kernel: out of memory${memoryText(oom)}`;
    return message(text, { oom_killed: "true", ...annotations });
  }
  if (oom === null || oom.kills <= (context.oom?.kills ?? 0)) return undefined;
  const text = `Out of memory: the kernel killed ${oom.kills} of the task's processes while it ran`;
  return message(`${text}${memoryText(oom)}`, annotations);
}

function messageOfLoss(reason: string): TaskMessage {
  return message(`Lost: ${reason}`);
}

function memoryText(oom: EventData<"exited">["oom"]): string {
  const known = [amount("limit", oom?.limitBytes), amount("peak", oom?.peakBytes)].flat();
  return known.length === 0 ? "" : ` (${known.join(", ")})`;
}

function amount(name: string, bytes: number | null | undefined): string[] {
  return typeof bytes === "number" ? [`${name} ${formatBytes(bytes)}`] : [];
}

function memoryAnnotations(oom: EventData<"exited">["oom"]): Record<string, string> {
  if (oom === null) return {};
  const { kills, limitBytes, peakBytes } = oom;
  return {
    oom_kills: String(kills),
    ...(limitBytes !== null && { memory_limit: String(limitBytes) }),
    ...(peakBytes !== null && { memory_peak: String(peakBytes) }),
  };
}
