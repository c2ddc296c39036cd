/**
 * Messages of the driver in `nomad alloc status`. Pure.
 *
 * The client keeps only the last ten events of a task. Its own events count among them. So a needless
 * message could displace the exit code of an earlier run. There is one message for each thing that a person
 * has to know, none for normal events, and none that repeats an event of the client.
 */

import { deprecatedAmong, deprecationText } from "../../effects/options/deprecation.ts";
import { taskSchema } from "../../effects/parts.ts";
import { adviceFor, isProbe } from "../../effects/verdicts.ts";
import type { EventMessage } from "../../machines/events/defineEvent.ts";
import { describeRefusal, type Refusal, refusalKey } from "../../machines/events/denied.ts";
import { type EventData, type EventOf, type EventType, eventCatalogue } from "../../machines/events.ts";
import type { TaskContext } from "../../machines/taskContext.ts";
import type { TaskSnapshot } from "../../machines/taskMachine.ts";
import { upperFirst } from "../../units/upperFirst.ts";
import { visible, visibleTexts } from "../../units/visible.ts";
import type { SharedUser } from "../start/taskUser.ts";

export interface TaskMessage {
  readonly message: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** As in {@link EventMessage}. */
  readonly once?: string;
}

/**
 * The message that the event's descriptor has; undefined if it needs none.
 * @param context the task's context after the event
 */
export function messageOfEvent<T extends EventType>(
  { type, data }: Pick<EventOf<T>, "type" | "data">,
  context: TaskContext,
): TaskMessage | undefined {
  const told = descriptors[type].message?.(data, context);
  return (
    told && { ...message(told.text, told.annotations), ...(told.once !== undefined && { once: told.once }) }
  );
}

const descriptors: {
  readonly [T in EventType]: {
    readonly message?: (data: EventData<T>, context: TaskContext) => EventMessage | undefined;
  };
} = eventCatalogue;

/**
 * The message for a task that is taken over: what happened while no plugin watched it.
 * @param snapshot the task's state in the log or the agent's handle, before `recovered` is recorded
 */
export function messageOfHistory({ value, context }: TaskSnapshot): TaskMessage | undefined {
  const { adopted, exit, lostReason, recoveries } = context;
  if (value === "lost")
    return messageOfEvent({ type: "lost", data: { reason: lostReason ?? "the reason is unknown" } }, context);
  if (value === "exited")
    return exit === null ? undefined : messageOfEvent({ type: "exited", data: exit }, context);
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

/** The message for a start with options that a later version will not have; undefined without such options. */
export function messageOfDeprecated({ request }: TaskContext): TaskMessage | undefined {
  const deprecated = request === null ? [] : deprecatedAmong(taskSchema(), Object.keys(request.options));
  if (deprecated.length === 0) return undefined;
  const texts = deprecated.map((each) => `option ${each.option} is ${deprecationText(each)}`);
  return message(upperFirst(texts.join("; ")), {
    deprecated: deprecated.map(({ option }) => option).join(", "),
  });
}

function message(text: string, annotations: TaskMessage["annotations"] = {}): TaskMessage {
  return { message: visible(text), annotations: visibleTexts(annotations) };
}
