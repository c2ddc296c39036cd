/**
 * Keeps the plugin from waiting for a file system that does not answer, such as NFS with a server that is
 * down. A call on such a file system cannot be cancelled. It would block the event loop, and so the work for
 * all tasks. Remote file systems are those that another machine or a process (FUSE) serves. If a path leads
 * to a remote file system, a child process makes the call first.
 */
import { isAbsolute } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { DriverError } from "../../base/errors.ts";
import { readKernelFile } from "../kernel/kernelFiles.ts";
import { waitpid } from "../kernel/libc.ts";
import { hostMounts, remoteMountOnTheWay } from "../paths/hostMounts.ts";
import { remoteMountPoints } from "../paths/mountinfo.ts";
import { anyFolder, closeRangeStep, endWithParentStep } from "../plan/commonSteps.ts";
import { descriptors, noSteps, type Step, type WholePlan } from "../plan/plan.ts";
import { spawnPlan } from "../plan/spawnPlan.ts";

/** Maximum time to wait for an answer. */
const timeoutMs = 10_000;

/**
 * Resolves once all remote file systems on the given paths of the host have answered.
 * @param paths returns the paths that the plugin is about to look up; relative ones are skipped. Called only
 *   if the host has remote file systems
 * @param runnerFolder folder for the plan runner, if this host cannot execute memfds
 * @throws DriverError `FILE_SYSTEM_SILENT`, recoverable
 */
export async function waitForAnswers(
  paths: () => Iterable<string>,
  runnerFolder: string | undefined,
): Promise<void> {
  const remote = hostMounts().remote;
  if (remote.size === 0) return;
  const asked = new Map<string, Set<string>>();
  for (const path of new Set(paths())) {
    const mount = isAbsolute(path) ? remoteMountOnTheWay(path) : undefined;
    if (mount === undefined) continue;
    const group = asked.get(mount) ?? new Set();
    asked.set(mount, group.add(path));
  }
  await Promise.all([...asked].map(([mount, group]) => ask(mount, [...group], undefined, runnerFolder)));
}

/**
 * Like {@link waitForAnswers}, for paths as a running task sees them. A task's links may lead anywhere, so if
 * the task has any remote file system, all paths are looked up.
 * @param pid of a process of the task
 * @param root descriptor of the task's root
 */
export async function waitForAnswersInTask(
  paths: readonly string[],
  { pid, root }: { readonly pid: number; readonly root: number },
  runnerFolder: string | undefined,
): Promise<void> {
  const remote = remoteMountPoints(readKernelFile(`/proc/${pid}/mountinfo`) ?? "");
  if (remote.length > 0) await ask(remote.join(", "), paths, root, runnerFolder);
}

/**
 * Looks paths up in a child process, and kills the process if it takes too long.
 * @param mounts the mount points, for the error
 */
async function ask(
  mounts: string,
  paths: readonly string[],
  root: number | undefined,
  runnerFolder: string | undefined,
): Promise<void> {
  const [first = "/"] = paths;
  const { pid, report } =
    root === undefined
      ? spawnPlan(askPlan(paths, {}, []), {}, runnerFolder)
      : spawnPlan(askPlan(paths, { root: rootFolder }, enterSteps), { root }, runnerFolder);
  // The report ends with the process, so waitpid does not block.
  const over = report.then(() => waitpid(pid, 0));
  const timeout = new AbortController();
  const isSilent = await Promise.race([
    over.then(() => false),
    delay(timeoutMs, true, { signal: timeout.signal }).catch(() => true),
  ]);
  timeout.abort();
  if (!isSilent) return;
  over.catch(() => undefined);
  process.kill(pid, "SIGKILL");
  throw new DriverError("FILE_SYSTEM_SILENT", `the file system at ${mounts} does not answer`, {
    failed: { call: "newfstatat", path: first, errno: "ETIMEDOUT" },
    hint: "Check the server or process that serves the file system; if it is gone, unmount the file system",
    recoverable: true,
  });
}

const rootFolder = descriptors.report + 1;

const enterSteps: readonly Step[] = [
  { name: "enter the task's root", call: "fchdir", args: [rootFolder] },
  { name: "enter the task's root", call: "chroot", args: ["."] },
];

/** A plan with the calls of a lookup. The results are dropped: an error is an answer, too. */
function askPlan<Name extends string>(
  paths: readonly string[],
  inherited: Readonly<Record<Name, number>>,
  enter: readonly Step[],
): WholePlan<Name> {
  const flow = { kind: "tolerateErrors" } as const;
  const askFor = (path: string): Step[] => [
    { name: `ask for ${path}`, call: "newfstatat", args: [anyFolder, path, 0, 0], flow },
    { name: `ask for ${path}`, call: "statfs", args: [path, 0], flow },
  ];
  return {
    initName: "exec2-look",
    inherited,
    outlivesPlugin: false,
    steps: {
      ...noSteps,
      parent: [
        endWithParentStep("end with the plugin"),
        closeRangeStep("close inherited descriptors", rootFolder + 1),
        ...enter,
        ...paths.flatMap(askFor),
        { name: "end", call: "exit_group", args: [0] },
      ],
    },
  };
}
