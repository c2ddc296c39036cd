/**
 * The state machine for programs that look into it: `import … from "nomad-driver-exec2/inspect"`.
 * Needs neither root nor a host that runs tasks.
 */
export { taskMachine } from "../../machines/xstateMachine.ts";
export { statelyInspection } from "./inspection.ts";
export type { ActorMessage, EventMessage, SnapshotMessage, StatelyMessage } from "./messages.ts";
