/** Complete histories of tasks, as events. */
import type { EventType, TaskEvent } from "../../../src/machines/events.ts";
import { event } from "../history/history.ts";

const begun = ["requested", "fingerprinted", "sandboxed", "started"] as const;

const types = {
  ended: [...begun, "exited", "destroyed"],
  stopped: [...begun, "stopRequested", "signalled", "exited", "destroyed"],
  killed: [...begun, "stopRequested", "signalled", "stopTimedOut", "forceKilled", "exited", "destroyed"],
  failed: ["requested", "fingerprinted", "startFailed", "destroyed"],
  recovered: [...begun, "recovered", "recovered", "exited", "destroyed"],
  lost: [...begun, "lost", "destroyed"],
} as const satisfies Record<string, readonly EventType[]>;

export type Life = keyof typeof types;
export const allLives = Object.keys(types) as Life[];

export function life(name: Life): TaskEvent[] {
  return types[name].map((type) => event(type));
}
