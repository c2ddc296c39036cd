/** The machine in a test or a program of one's own, seen through XState's `inspect` option. */
import type { AnyActorRef, InspectionEvent } from "xstate";
import type { MachineState } from "../../machines/machineVersion.ts";
import { actorMessage, eventMessage, type StatelyMessage, snapshotMessage } from "./messages.ts";

/**
 * Turns what XState tells into the messages of Stately's inspector protocol, at
 * once: in a burst each has the state of its own moment.
 *
 *     createActor(taskMachine, { inspect: statelyInspection(send) })
 *
 * @param send takes each message, in order
 * @param name what the actor is called
 */
export function statelyInspection(
  send: (message: StatelyMessage) => void,
  name = "task",
): (event: InspectionEvent) => void {
  // XState counts its sessions anew in each process.
  const prefix = crypto.randomUUID();
  const registered = new WeakSet<AnyActorRef>();
  return (told) => {
    // When XState tells of an actor it has no state yet: it is registered with what comes next.
    if (told.type !== "@xstate.event" && told.type !== "@xstate.snapshot") return;
    const { actorRef } = told;
    const subject = { sessionId: `${prefix}/${actorRef.sessionId}`, time: Date.now() };
    if (!registered.has(actorRef as AnyActorRef)) {
      registered.add(actorRef as AnyActorRef);
      send(actorMessage(subject, name, stateOf(actorRef.getSnapshot())));
    }
    if (told.type === "@xstate.event") send(eventMessage(subject, told.event));
    else send(snapshotMessage(subject, told.event, stateOf(told.snapshot)));
  };
}

function stateOf(snapshot: unknown): MachineState {
  const { value, context } = snapshot as MachineState;
  return { value, context };
}
