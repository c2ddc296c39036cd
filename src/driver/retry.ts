/**
 * Steps of a running task that must not be left out, such as watching its end or killing it. If the kernel
 * refuses a call, for example for lack of descriptors, the step is tried again.
 */
import { setTimeout as delay } from "node:timers/promises";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/hclog.ts";
import type { TaskId } from "../base/taskId.ts";

/** Milliseconds until the next attempt. */
const retryMs = 1_000;

/**
 * Tries again until an attempt succeeds.
 * @param isEnough called after each failure: no further attempt is needed if it returns true. If it throws, it
 *   is not enough
 * @returns undefined if no attempt has succeeded
 */
export type Retry = <T>(
  attempt: () => T | Promise<T>,
  isEnough?: (attempts: number) => boolean,
) => Promise<T | undefined>;

/**
 * @param log for the first failure
 * @param problem what cannot be done yet, for the line in the agent's log
 */
export function retrying(log: () => Logger, taskId: TaskId, problem: string): Retry {
  let logged = false;
  return async (attempt, isEnough = () => false) => {
    for (let attempts = 1; ; attempts += 1) {
      try {
        return await attempt();
      } catch (thrown) {
        if (holds(() => isEnough(attempts))) return undefined;
        if (!logged) log().error(problem, { task_id: taskId, error: messageOf(thrown) });
        logged = true;
        await delay(retryMs);
      }
    }
  };
}

function holds(condition: () => boolean): boolean {
  try {
    return condition();
  } catch {
    return false;
  }
}
