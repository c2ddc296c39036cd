/**
 * One version of the machine, with everything that a replay needs. The build writes
 * this module to a self-contained file (dist/replay/machine.js). Whoever keeps that
 * file can later replay a history with this version. Pure.
 */
import { DriverError } from "../base/errors.ts";
import { version } from "../base/version.ts";
import {
  EVENT_SCHEMA_VERSION,
  parseTaskEvent,
  type TaskEvent,
  upcast,
  type VersionedEvent,
} from "./events.ts";
import type { TaskContext } from "./taskContext.ts";
import { initialSnapshot, isStateName, step, type TaskSnapshot } from "./taskMachine.ts";

/** A state of any version of the machine: its name and context. */
export interface MachineState {
  readonly value: string;
  readonly context: TaskContext;
}

/** The result of applying an event to any version of the machine. */
export interface MachineStep {
  readonly snapshot: MachineState;
  readonly from: string;
  readonly to: string;
  /** Names of the requested effects, in order. */
  readonly effects: readonly string[];
  /** False if the state has no transition for the event; then nothing has changed. */
  readonly accepted: boolean;
}

/** An event as a log or a bundle keeps it. */
export interface WrittenEvent extends VersionedEvent {
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface MachineVersion {
  /** Version of the driver that has this machine. */
  readonly driver: string;
  /** The newest event schema that this machine reads. */
  readonly schema: number;
  /** The state before the first event. Histories are folded from here, never from another version's state. */
  readonly initialSnapshot: MachineState;
  /** Pure. @param snapshot a snapshot of this same version */
  step(snapshot: MachineState, event: TaskEvent): MachineStep;
  /**
   * The event in this version's shape, whichever version wrote it.
   * @throws if it is of a newer version or an unknown type, or if its data are invalid
   */
  readEvent(event: WrittenEvent): TaskEvent;
}

/** This version. */
export const thisMachine: MachineVersion = {
  driver: version,
  schema: EVENT_SCHEMA_VERSION,
  initialSnapshot,
  step(snapshot, event) {
    if (isOwn(snapshot)) return step(snapshot, event);
    throw new DriverError("EVENT_INVALID", `this version of the machine has no state ${snapshot.value}`);
  },
  readEvent: (event) => parseTaskEvent(event.type, event.time, upcast(event)),
};

function isOwn(state: MachineState): state is TaskSnapshot {
  return isStateName(state.value);
}
