/** Makes the checks of a group's services, and shows what becomes healthy and unhealthy. */
import { setTimeout as delay } from "node:timers/promises";
import { DriverError, messageOf } from "../../errors.ts";
import type { Check, Probe } from "../../jobspec/job.ts";
import { runtimeLookup } from "../../jobspec/resolve/allocationEnvironment.ts";
import { renderAll } from "../../jobspec/resolve/interpolate.ts";
import type { Allocation } from "../allocation/allocation.ts";
import { newCheck, nextCheckState } from "./checkState.ts";
import { type CheckTarget, connectToHost, perform, type ResolvedProbe } from "./probes.ts";

/** A task, as far as checks concern it. */
export interface CheckedTask {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Clock of performance.now(); undefined while it does not run. */
  readonly startedAt: number | undefined;
  execute(command: readonly string[], timeoutMs: number): Promise<{ readonly exitCode: number }>;
  restart(): Promise<void>;
}

export interface CheckDisplay {
  note(text: string): void;
  warn(text: string): void;
}

/** Until the first result, a program has this long to come up, or one interval if that is shorter. */
const firstDelayMs = 1_000;

/**
 * Checks until it is stopped. Each check waits for its result before its next interval begins.
 * @param owner what the run calls the allocation, for groups of several instances; else empty
 * @param tasks main tasks of the group: a check of the group's is about all of them
 */
export function followChecks(
  { group, ports, bridge }: Allocation,
  tasks: readonly CheckedTask[],
  console: CheckDisplay,
  owner: string,
  stop: AbortSignal,
): void {
  const connect = bridge === undefined ? connectToHost : (port: number) => bridge.connect(port);
  const portOf = (name: string) => ports.find(({ label }) => label === name)?.inside ?? Number(name);
  for (const check of group.checks) {
    const own = tasks.filter(({ name }) => check.task === undefined || name === check.task);
    const [first] = own;
    if (first === undefined) continue;
    const target = { connect, execute: first.execute.bind(first) };
    const name = `check ${check.name}${owner}`;
    try {
      const probe = resolved(check.probe, first.env, portOf);
      void follow(check, probe, target, own, { name, console, stop });
    } catch (thrown) {
      console.warn(`${name} is not made: ${messageOf(thrown)}`);
    }
  }
}

function resolved(
  probe: Probe,
  env: Readonly<Record<string, string>>,
  portOf: (name: string) => number,
): ResolvedProbe {
  const text = renderAll(probe, runtimeLookup(env, {})) as Probe;
  return text.kind === "script" ? text : { ...text, port: portOf(text.port) };
}

interface Following {
  readonly name: string;
  readonly console: CheckDisplay;
  readonly stop: AbortSignal;
}

async function follow(
  check: Check,
  probe: ResolvedProbe,
  target: CheckTarget,
  tasks: readonly CheckedTask[],
  { name, console, stop }: Following,
): Promise<void> {
  let state = newCheck;
  for (let pause = Math.min(firstDelayMs, check.intervalMs); ; pause = check.intervalMs) {
    await delay(pause, undefined, { signal: stop, ref: false }).catch(() => undefined);
    if (stop.aborted) return;
    const startedAt = tasks[0]?.startedAt;
    // A task that ends or starts anew is neither healthy nor unhealthy.
    if (startedAt === undefined) continue;
    const result = await perform(probe, target, check.timeoutMs, stop);
    if (stop.aborted) return;
    const step = nextCheckState(state, result, check, performance.now() - startedAt);
    state = step.state;
    const detail = result.detail === "" ? "" : ` (${result.detail})`;
    if (step.changed && result.status === "passing") console.note(`${name}: healthy`);
    else if (step.changed)
      console.warn(`${name}: ${result.status === "warning" ? "warning" : "unhealthy"}${detail}`);
    if (!step.restarts) continue;
    console.warn(
      `${name}: unhealthy ${check.restart?.limit} times: ${tasks.map((each) => each.name).join(", ")} restarts`,
    );
    for (const each of tasks) await each.restart().catch((thrown: unknown) => unlessEnding(thrown));
  }
}

/** Ignores a failed restart: the task has ended meanwhile, or reports its failed start itself. */
function unlessEnding(thrown: unknown): void {
  if (!(thrown instanceof DriverError)) throw thrown;
}
