/** Runs the checks of a group's services, and shows when a check becomes healthy or unhealthy. */
import { setTimeout as delay } from "node:timers/promises";
import { DriverError, messageOf } from "../../base/errors.ts";
import type { Allocation } from "../allocation/allocation.ts";
import type { Check, Probe } from "../jobspec/job.ts";
import { runtimeLookup } from "../jobspec/resolve/allocationEnvironment.ts";
import { render, renderAll } from "../jobspec/resolve/interpolate.ts";
import { TemplateError } from "../jobspec/templateError.ts";
import { newCheck, nextCheckState } from "./checkState.ts";
import { type CheckTarget, connectToHost, perform, type ResolvedProbe } from "./probes.ts";

/** The part of a task that checks need. */
export interface CheckedTask {
  readonly name: string;
  readonly env: Readonly<Record<string, string>>;
  /** Start time on the clock of performance.now(); undefined while the task does not run. */
  readonly startedAt: number | undefined;
  execute(command: readonly string[], timeoutMs: number): Promise<{ readonly exitCode: number }>;
  /** @param reason a clause, such as `check web failed 3 times in a row` */
  restart(reason: string): Promise<void>;
}

export interface CheckDisplay {
  note(text: string): void;
  warn(text: string): void;
}

/**
 * Delay before the first probe, which gives the program time to start. A check with a shorter interval waits
 * only for one interval.
 */
const firstDelayMs = 1_000;

/**
 * Starts the checks, which run until `stop`. The next interval of a check begins when its result is known.
 * @param tasks main tasks of the group. A check that names no task uses the first task's environment, and
 *   restarts all of these tasks
 * @param suffix the end of the checks' names, such as ` of web[1]`; empty if the group has one instance
 */
export function followChecks(
  { group, ports, bridge }: Allocation,
  tasks: readonly CheckedTask[],
  display: CheckDisplay,
  suffix: string,
  stop: AbortSignal,
): void {
  const connect = bridge === undefined ? connectToHost : (port: number) => bridge.connect(port);
  // In the host's network, nothing listens on a port inside.
  const portOf = (name: string) => {
    const port = ports.find(({ label }) => label === name);
    return (bridge === undefined ? port?.port : port?.inside) ?? Number(name);
  };
  for (const check of group.checks) {
    const own = tasks.filter(({ name }) => check.task === undefined || name === check.task);
    const [first] = own;
    if (first === undefined) continue;
    const target = { connect, execute: first.execute.bind(first) };
    const name = `check ${checkName(check, first.env)}${suffix}`;
    try {
      const probe = resolved(check.probe, first.env, portOf);
      void follow(check, probe, target, own, { name, display, stop });
    } catch (thrown) {
      display.warn(`${name} is skipped: ${messageOf(thrown)}`);
    }
  }
}

/** The name with its references resolved, of which `JOB` and `TASKGROUP` exist only in names of services. */
export function checkName({ name }: Pick<Check, "name">, env: Readonly<Record<string, string>>): string {
  const { NOMAD_JOB_NAME: JOB = "", NOMAD_GROUP_NAME: TASKGROUP = "" } = env;
  try {
    return render(name, runtimeLookup({ ...env, JOB, TASKGROUP }, {}));
  } catch (thrown) {
    if (thrown instanceof TemplateError) return name;
    throw thrown;
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
  readonly display: CheckDisplay;
  readonly stop: AbortSignal;
}

async function follow(
  check: Check,
  probe: ResolvedProbe,
  target: CheckTarget,
  tasks: readonly CheckedTask[],
  { name, display, stop }: Following,
): Promise<void> {
  let state = newCheck;
  for (let pause = Math.min(firstDelayMs, check.intervalMs); ; pause = check.intervalMs) {
    await delay(pause, undefined, { signal: stop, ref: false }).catch(() => undefined);
    if (stop.aborted) return;
    const startedAt = tasks[0]?.startedAt;
    // A task that is ending or restarting is neither healthy nor unhealthy.
    if (startedAt === undefined) continue;
    const result = await perform(probe, target, check.timeoutMs, stop);
    if (stop.aborted) return;
    const step = nextCheckState(state, result, check, performance.now() - startedAt);
    state = step.state;
    const detail = result.detail === "" ? "" : ` (${result.detail})`;
    if (step.changed && result.status === "passing") display.note(`${name}: healthy`);
    else if (step.changed)
      display.warn(`${name}: ${result.status === "warning" ? "warning" : "unhealthy"}${detail}`);
    if (!step.restarts) continue;
    const names = tasks.map((each) => each.name).join(", ");
    const failed = `failed ${check.restart?.limit} times in a row`;
    display.warn(`${name}: ${failed}: restarting ${names}`);
    for (const each of tasks) await each.restart(`${name} ${failed}`).catch(ignoreFailedRestart);
  }
}

/** Ignores the error: the task has ended meanwhile, or reports its failed start itself. */
function ignoreFailedRestart(thrown: unknown): void {
  if (!(thrown instanceof DriverError)) throw thrown;
}
