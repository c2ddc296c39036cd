/** Runs one instance of a group: its tasks in the order of their phases. */

import { type Allocation, makeAllocation } from "../allocation/allocation.ts";
import type { Group, Phase } from "../jobspec/job.ts";
import { refuseUnsupported } from "../plugin/clientRules.ts";
import type { LocalRun } from "./localRun.ts";
import { LocalTask, type TaskOutcome } from "./localTask.ts";
import { prepareTask } from "./prepareTask.ts";
import { featuresOf } from "./taskMessage.ts";

/**
 * Runs an instance of a group to its end.
 * @returns the outcomes of its tasks, sorted by the times of their ends. Tasks that never had to start are
 *   left out
 */
export async function runGroup(run: LocalRun, group: Group, index: number): Promise<TaskOutcome[]> {
  const tasks: LocalTask[] = [];
  let allocation: Allocation | undefined;
  try {
    const { capabilities } = await run.session.driverFacts();
    refuseUnsupported(capabilities, featuresOf(group));
    allocation = await makeAllocation(run.work, group, index, run.ports, run.file.upstreams);
    const owner = group.count > 1 ? ` of ${group.name}[${index}]` : "";
    for (const { label, ip, port, inside } of allocation.ports) {
      const mapped = inside === port ? "" : mappedText(group, inside);
      const address = `${ip}:${port}`;
      run.console.tell(
        { event: "port", label, group: `${group.name}[${index}]`, address },
        `port ${label}${owner}: ${address}${mapped}`,
      );
    }
    for (const task of group.tasks) {
      const driver = await run.session.driverFacts();
      const prepared = await prepareTask(run, driver, allocation, task);
      tasks.push(new LocalTask(run, prepared));
      run.observer?.prepared(prepared);
    }
    run.tasks.push(...tasks);
    const { checks } = group;
    const follow = checks.length === 0 ? undefined : await checksOf(run, allocation, owner);
    await runPhases(run, tasks, follow);
    const outcomes = await Promise.all(tasks.flatMap(({ ended }) => ended ?? []));
    return outcomes.toSorted((a, b) => a.endedAt - b.endedAt);
  } finally {
    for (const task of tasks) await task.cleanUp();
    allocation?.bridge?.close();
  }
}

function mappedText({ network }: Group, inside: number): string {
  return network.mode === "bridge"
    ? `, ${inside} in the group's network`
    : `; in this network, nothing maps it to ${inside}`;
}

/**
 * Runs the tasks as a Nomad client does: main tasks start after all prestart tasks have succeeded, and
 * sidecars stop after the main tasks.
 */
async function runPhases(
  { interrupts, console }: LocalRun,
  tasks: readonly LocalTask[],
  follow: FollowChecks | undefined,
): Promise<void> {
  const prestart = await startPhase(tasks, "prestart");
  const outcomes = await endsOf(prestart.filter(isNoSidecar));
  const ready = outcomes.every(({ exitCode }) => exitCode === 0);
  if (ready && !interrupts.stop.aborted) await runMain(tasks, follow);
  else if (!ready) console.warn(preventedText(prestart, outcomes, tasks));
  const sidecars = tasks.filter((each) => each.ended && !isNoSidecar(each));
  await Promise.all(
    sidecars.map((each) => each.dismiss(ready ? "the main tasks have ended" : "a prestart task failed")),
  );
  await endsOf(await startPhase(tasks, "poststop"));
}

/** The warning about tasks that do not start, such as `prestart task init failed: main was not started`. */
function preventedText(
  prestart: readonly LocalTask[],
  outcomes: readonly TaskOutcome[],
  tasks: readonly LocalTask[],
): string {
  const failed = prestart.filter(isNoSidecar).filter((_, index) => outcomes[index]?.exitCode !== 0);
  const prevented = tasks.filter(({ task, ended }) => ended === undefined && task.phase !== "poststop");
  const names = (list: readonly LocalTask[]) => list.map(({ label }) => label).join(", ");
  return `prestart task ${names(failed)} failed: ${names(prevented)} ${prevented.length === 1 ? "was" : "were"} not started`;
}

async function runMain(tasks: readonly LocalTask[], follow: FollowChecks | undefined): Promise<void> {
  const main = await startPhase(tasks, "main");
  for (const each of main) void dismissOthersAfter(each, main);
  const done = new AbortController();
  follow?.(main, done.signal);
  const poststart = await startPhase(tasks, "poststart");
  await endsOf(main);
  done.abort();
  await endsOf(poststart.filter(isNoSidecar));
}

type FollowChecks = (tasks: readonly LocalTask[], done: AbortSignal) => void;

/** Loads the module of checks on demand, because few jobs have checks. */
async function checksOf(
  { console, interrupts }: LocalRun,
  allocation: Allocation,
  owner: string,
): Promise<FollowChecks> {
  const { followChecks } = await import("../checks/groupChecks.ts");
  return (tasks, done) =>
    followChecks(allocation, tasks, console, owner, AbortSignal.any([done, interrupts.stop]));
}

/** Stops the other main tasks when the leader ends, or when any main task fails. */
async function dismissOthersAfter(first: LocalTask, main: readonly LocalTask[]): Promise<void> {
  const outcome = await first.ended;
  if (!outcome || outcome.dismissed || (outcome.exitCode === 0 && !first.task.leader)) return;
  const reason = `${outcome.exitCode === 0 ? "the leader " : ""}${first.label} ${outcome.end}`;
  await Promise.all(main.filter((each) => each !== first).map((each) => each.dismiss(reason)));
}

async function startPhase(tasks: readonly LocalTask[], phase: Phase): Promise<LocalTask[]> {
  const starting = tasks.filter(({ task }) => task.phase === phase);
  await Promise.all(starting.map((each) => each.start()));
  return starting;
}

async function endsOf(tasks: readonly LocalTask[]): Promise<TaskOutcome[]> {
  return Promise.all(tasks.flatMap(({ ended }) => ended ?? []));
}

function isNoSidecar({ task }: LocalTask): boolean {
  return !task.sidecar;
}
