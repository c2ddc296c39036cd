/**
 * The messages of Stately's inspector protocol, as `@statelyai/inspect` 0.7 writes and reads them. Pure.
 */
import type { MachineState } from "../../machines/machineVersion.ts";
import { taskMachine } from "../../machines/taskMachine.ts";

interface Common {
  /** Unique id of the actor, across processes. */
  readonly sessionId: string;
  readonly rootId: string;
  /** Milliseconds since the epoch, as text. */
  readonly createdAt: string;
  readonly id: string | null;
  readonly _version: string;
}

export interface ActorMessage extends Common {
  readonly type: "@xstate.actor";
  readonly name: string;
  /** The machine's config as JSON. Only the first actor needs it, because all actors have this machine. */
  readonly definition: string | undefined;
  readonly parentId: undefined;
  readonly snapshot: InspectedSnapshot;
}

export interface EventMessage extends Common {
  readonly type: "@xstate.event";
  readonly event: { readonly type: string };
  readonly sourceId: undefined;
}

export interface SnapshotMessage extends Common {
  readonly type: "@xstate.snapshot";
  readonly event: { readonly type: string };
  readonly snapshot: InspectedSnapshot;
}

export type StatelyMessage = ActorMessage | EventMessage | SnapshotMessage;

export interface InspectedSnapshot {
  readonly status: string;
  readonly value: unknown;
  readonly context: unknown;
}

/** The actor of a message, and the time that the message reports. */
export interface Subject {
  readonly sessionId: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** Complete, because the config has no functions: actions are names. */
const definition = JSON.stringify(taskMachine.config);

export function actorMessage(
  subject: Subject,
  name: string,
  state: MachineState,
  withDefinition = true,
): ActorMessage {
  const base = common(subject);
  return {
    ...base,
    type: "@xstate.actor",
    name,
    definition: withDefinition ? definition : undefined,
    parentId: undefined,
    snapshot: inspected(state),
  };
}

export function eventMessage(subject: Subject, event: { readonly type: string }): EventMessage {
  return { ...common(subject), type: "@xstate.event", event, sourceId: undefined };
}

export function snapshotMessage(
  subject: Subject,
  event: { readonly type: string },
  state: MachineState,
): SnapshotMessage {
  return { ...common(subject), type: "@xstate.snapshot", event, snapshot: inspected(state) };
}

function inspected({ value, context }: MachineState): InspectedSnapshot {
  return { status: value === "destroyed" ? "done" : "active", value, context };
}

function common({ sessionId, time }: Subject): Common {
  return { sessionId, rootId: sessionId, createdAt: String(time), id: null, _version: "0.7.2" };
}
