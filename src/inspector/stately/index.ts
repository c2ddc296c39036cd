/**
 * The state machine for inspection by programs: `import … from "nomad-driver-exec2/inspect"`.
 * Needs neither root nor a host with tasks.
 */
import type { AnyActorRef, InspectionEvent } from "xstate";
import type { MachineState } from "../../machines/machineVersion.ts";
import { actorMessage, eventMessage, type StatelyMessage, snapshotMessage } from "./messages.ts";

export { taskMachine } from "../../machines/taskMachine.ts";
export type { ActorMessage, EventMessage, SnapshotMessage, StatelyMessage } from "./messages.ts";

/**
 * Converts XState's inspection events to messages of Stately's inspector protocol.
 * The conversion is synchronous, so each message has the state right after its event, even in a burst.
 *
 *     createActor(taskMachine, { inspect: statelyInspection(send) })
 *
 * @param send receives each message, in order
 * @param name the actor's name in the messages
 */
export function statelyInspection(
  send: (message: StatelyMessage) => void,
  name = "task",
): (event: InspectionEvent) => void {
  // XState's session ids are unique only within a process.
  const prefix = crypto.randomUUID();
  const registered = new WeakSet<AnyActorRef>();
  return (inspected) => {
    // XState announces an actor before the actor has a state, so its next inspection event registers it.
    if (inspected.type !== "@xstate.event" && inspected.type !== "@xstate.snapshot") return;
    const { actorRef } = inspected;
    const subject = { sessionId: `${prefix}/${actorRef.sessionId}`, time: Date.now() };
    if (!registered.has(actorRef as AnyActorRef)) {
      registered.add(actorRef as AnyActorRef);
      send(actorMessage(subject, name, stateOf(actorRef.getSnapshot())));
    }
    if (inspected.type === "@xstate.event") send(eventMessage(subject, inspected.event));
    else send(snapshotMessage(subject, inspected.event, stateOf(inspected.snapshot)));
  };
}

function stateOf(snapshot: unknown): MachineState {
  const { value, context } = snapshot as MachineState;
  return { value, context };
}
