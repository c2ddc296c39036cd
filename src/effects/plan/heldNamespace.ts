/**
 * Namespaces that a plan makes for this process: the plan's process makes one, and keeps it until this process has
 * opened it.
 */
import { closeSync, openSync } from "node:fs";
import { DriverError } from "../../base/errors.ts";
import { pipe2, waitpid } from "../kernel/libc.ts";
import { failedStep } from "./launchError.ts";
import type { Descriptors, WholePlan } from "./plan.ts";
import { spawnPlan } from "./spawnPlan.ts";

/**
 * @param kind the namespace's file in the process's `ns` folder
 * @param failed what an error says first
 * @param settle what is to be done to the process before its namespace is opened
 * @returns a descriptor of the namespace, close-on-exec
 * @throws DriverError `LAUNCH_FAILED` naming the step, call, path and errno
 */
export async function openHeldNamespace<Name extends string>(
  plan: WholePlan<Name>,
  passed: Omit<Descriptors<NoInfer<Name>>, "hold">,
  kind: "mnt" | "user",
  {
    folder,
    failed,
    settle,
  }: {
    readonly folder: string | undefined;
    readonly failed: string;
    readonly settle?: (pid: number) => void;
  },
): Promise<number> {
  const pipe = pipe2();
  let pid: number | undefined;
  try {
    const spawned = spawnPlan<string>(plan, { ...passed, hold: pipe.read }, folder);
    pid = spawned.pid;
    const { failure } = await spawned.report;
    const error = failedStep(plan, failure, failed);
    if (error !== undefined) throw error;
    settle?.(pid);
    return openSync(`/proc/${pid}/ns/${kind}`, "r");
  } catch (thrown) {
    throw DriverError.from(thrown, "LAUNCH_FAILED", failed);
  } finally {
    closeSync(pipe.read);
    closeSync(pipe.write);
    // The process ends when the pipe is closed, so this waits only briefly.
    if (pid !== undefined) waitpid(pid, 0);
  }
}
