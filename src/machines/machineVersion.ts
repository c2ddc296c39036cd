/**
 * One version of the machine with all that a replay asks of it. The build keeps
 * this module as a file of its own (dist/replay/machine.js) that needs nothing else:
 * who keeps that file can later tell what this version would make of a history.
 */
import { DriverError } from "../errors.ts";
import { version } from "../version.ts";
import { EVENT_SCHEMA_VERSION, parseTaskEvent, type TaskEvent } from "./events.ts";
import { initialSnapshot, step, type TaskSnapshot } from "./fold.ts";
import type { TaskContext } from "./taskContext.ts";
import { isStateName } from "./taskMachine.ts";
import { upcast, type VersionedEvent } from "./upcast.ts";

/** A state of some version of the machine: its name, and what is remembered. */
export interface MachineState {
  readonly value: string;
  readonly context: TaskContext;
}

/** What some version of the machine makes of an event. */
export interface MachineStep {
  readonly snapshot: MachineState;
  readonly from: string;
  readonly to: string;
  /** Names of the effects that it asks for, in order. */
  readonly effects: readonly string[];
  /** False where it has no use for the event in its state; then nothing else changed. */
  readonly accepted: boolean;
}

/** An event as a log or a bundle keeps it. */
export interface WrittenEvent extends VersionedEvent {
  /** Milliseconds since the epoch. */
  readonly time: number;
}

export interface MachineVersion {
  /** Version of the driver that it belongs to. */
  readonly driver: string;
  /** The newest version of events that it reads. */
  readonly schema: number;
  /** The state before the first event. Histories are folded from here, never from another version's state. */
  readonly initialSnapshot: MachineState;
  /** Pure. @param snapshot one of this same version */
  step(snapshot: MachineState, event: TaskEvent): MachineStep;
  /**
   * The event as this version takes it, whatever version wrote it.
   * @throws where it is of a newer version, of an unknown type, or its data are not as they should be
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
