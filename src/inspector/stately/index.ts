/**
 * The state machine for inspection by programs: `import … from "nomad-driver-exec2/inspect"`.
 * Needs neither root nor a host with tasks.
 */
export { taskMachine } from "../../machines/xstateMachine.ts";
export { statelyInspection } from "./inspection.ts";
export type { ActorMessage, EventMessage, SnapshotMessage, StatelyMessage } from "./messages.ts";
