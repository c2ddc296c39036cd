/** The error of a launch: the step that failed, its path and errno, and what to do. Pure. */
import { DriverError } from "../../base/errors.ts";
import { errnoName } from "../kernel/kernelError.ts";
import { stepAt } from "./assemble.ts";
import { type Plan, phases, type Step } from "./plan.ts";
import type { Report } from "./spawnPlan.ts";

/** The error for a failed step in a report; undefined if no step failed. */
export function failedStep(
  plan: Plan,
  failure: Report["failure"],
  consequence?: string,
): DriverError | undefined {
  const step = failure && stepAt(plan, failure.entry);
  return failure && step && launchError(plan, step, errnoName(failure.errno), consequence);
}

/**
 * @param step the step that failed
 * @param errno the symbolic error of the step's call, such as `EACCES`
 * @param consequence begins the error's text
 */
export function launchError(plan: Plan, step: Step, errno: string, consequence = notStarted): DriverError {
  const path = pathOf(plan, step);
  const hint = hintFor(step, errno, path);
  return new DriverError("LAUNCH_FAILED", `${consequence}: step "${step.name}" failed`, {
    failed: { call: step.call, errno, ...(path === undefined ? {} : { path }) },
    ...(hint === undefined ? {} : { hint }),
  });
}

const notStarted = "the task could not be started";

/** The consequence for a command in a task: short, because its user may see only the error's beginning. */
export const notRun = "not run";

/** The path in a step's arguments, or in those of the steps with the same name. */
function pathOf({ steps }: Plan, step: Step): string | undefined {
  const group = phases.flatMap((phase) => steps[phase]).filter(({ name }) => name === step.name);
  for (const { args } of [step, ...group]) {
    const path = args.find((argument) => typeof argument === "string" && argument.startsWith("/"));
    if (typeof path === "string") return path;
  }
  return undefined;
}

/** The part that makes a step knows what its errors mean; here is what all parts have in common. */
function hintFor({ call, hints }: Step, errno: string, path = "the path"): string | undefined {
  if (hints !== undefined && Object.hasOwn(hints, errno)) {
    const hint = hints[errno];
    return typeof hint === "function" ? hint(path) : hint;
  }
  switch (`${call} ${errno}`) {
    case "execve ENOMEM":
    case "clone3 ENOMEM":
      return "The task's memory limit may be too small to start anything: raise resources.memory";
    case "clone3 EAGAIN":
      return "A limit on the number of processes is reached: pids.max of a cgroup, or kernel.pid_max";
    case "clone3 ENOSPC":
      return "A limit on the number of namespaces is reached: see /proc/sys/user/max_pid_namespaces and the files beside it";
    case "clone3 EBUSY":
      return "The task's cgroup has controllers enabled for cgroups below it, so no process can be in it";
    case "clone3 EPERM":
    case "mount EPERM":
    case "prctl EPERM":
    case "capset EPERM":
      return "The driver has to run as root with all capabilities, outside of a container";
    default:
      return undefined;
  }
}
