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

function hintFor({ call, name, hints }: Step, errno: string, path = "the path"): string | undefined {
  if (hints !== undefined && Object.hasOwn(hints, errno)) {
    const hint = hints[errno];
    return typeof hint === "function" ? hint(path) : hint;
  }
  switch (`${call} ${errno}`) {
    case "execve EACCES":
      return `The command or its interpreter is not unveiled with x, or its file mode keeps the task's user from executing it: add unveil "rx:${path}"`;
    case "execve ENOENT":
      return "The command does not exist; or it is a script whose interpreter is missing, or a program whose dynamic loader is missing. A file that the host has may lack an unveil entry with rx";
    case "execve ENOEXEC":
      return "The file is neither a program for this machine's architecture nor a script: a script begins with #! and its interpreter";
    case "execve E2BIG":
      return "The arguments and the environment are too long: see execve(2)";
    case "execve ENOMEM":
    case "clone3 ENOMEM":
      return "The task's memory limit may be too small to start anything: raise resources.memory";
    case "clone3 EAGAIN":
      return "A limit on the number of processes is reached: pids.max of a cgroup, or kernel.pid_max";
    case "mkdirat EAGAIN":
      return "A limit on cgroups is reached: cgroup.max.descendants or cgroup.max.depth of a cgroup above";
    case "clone3 ENOSPC":
      return "A limit on the number of namespaces is reached: see /proc/sys/user/max_pid_namespaces and the files beside it";
    case "clone3 EBUSY":
      return "The task's cgroup has controllers enabled for cgroups below it, so no process can be in it";
    case "clone3 EPERM":
    case "mount EPERM":
    case "prctl EPERM":
    case "capset EPERM":
      return "The driver has to run as root with all capabilities, outside of a container";
    case "prlimit64 EPERM":
      return "A limit above the agent's own needs CAP_SYS_RESOURCE; no limit of open files can be above the sysctl fs.nr_open";
    case "write EACCES":
      return "An oom_score_adj below the agent's own needs CAP_SYS_RESOURCE";
    case "setns EINVAL":
      return `${path} is not a network namespace`;
    case "landlock_restrict_self E2BIG":
      return "Landlock allows 16 layers of rules on top of each other: the driver itself already runs in too many";
    case "openat2 ELOOP":
      return `A symlink was put into ${path} while the task was starting: find out who put it there`;
    case "open_tree EINVAL":
      return `The mount at ${path} is unbindable: see mount_namespaces(7)`;
    case "move_mount ENOENT":
      return `${name}: the mount point does not exist on the host: create an empty file there`;
    case "move_mount EINVAL":
      return `${name}: a folder can only be mounted on a folder, a file on a file, and a symlink nowhere`;
    default:
      return undefined;
  }
}
