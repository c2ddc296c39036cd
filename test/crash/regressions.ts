/**
 * Rounds that once failed, or that would fail without code that was written for them. Every run of the tests
 * includes them.
 */
import type { LifePlan, RoundPlan } from "./roundPlan.ts";

export interface Regression extends RoundPlan {
  /** The behaviour that the round checks. It was once wrong. */
  readonly title: string;
}

const sleeps: LifePlan = { task: "sleeps", exitCode: 0, agent: "leaves", afterMs: 0, forgets: false };
const ends: LifePlan = { task: "ends", exitCode: 7, agent: "waits", afterMs: 0, forgets: false };

/** From the first process of a run to the commit of its start. */
const stepsOfStart = [
  ...["before beginLaunch", "after beginLaunch", "during init", "after init"],
  ...["before commit sandboxed", "after commit sandboxed", "before launch", "before release"],
  ...["during release", "after release", "before commit started", "after commit started", "after launch"],
];

export const regressions: readonly Regression[] = [
  ...stepsOfStart.map((step) => ({
    title: `a batch task runs once and its exit code is reported if the plugin dies ${step}`,
    lives: [ends],
    crashes: [{ at: `${step}#1` }],
  })),
  ...["during release", "before commit started"].map((step) => ({
    title: `a run is over before the next one begins if the plugin and its agent die ${step}`,
    lives: [{ ...sleeps, forgets: true }],
    crashes: [{ at: `${step}#1` }],
  })),
  {
    title: "work that a full disk prevents is done once there is room, without another plugin",
    lives: [ends, { ...ends, forgets: true }, sleeps],
    crashes: [{ at: "after release#2" }],
    fullDisk: { fromMs: 10, toMs: 1_500 },
  },
  {
    title: "a start whose answer is lost is accepted when the agent sends it again",
    lives: [sleeps, ends],
    crashes: [{ at: "after startTask#1" }],
  },
  {
    title: "a start that came to nothing is accepted when the agent sends it again",
    lives: [sleeps],
    crashes: [{ at: "after beginLaunch#1" }, { at: "before release#1" }, { at: "before commit requested#1" }],
  },
  {
    title: "a run ends if its agent dies before the answer to its start",
    lives: [{ ...sleeps, forgets: true }],
    crashes: [{ at: "after startTask#1" }],
  },
  {
    title: "the folder of a run whose request was never stored is removed",
    lives: [{ ...ends, forgets: true }],
    crashes: [{ at: "after makeRunFiles#1" }, { at: "after beginLaunch#1" }],
  },
  {
    title: "a start is accepted if its first attempt left a folder, but nothing in the log",
    lives: [ends],
    crashes: [{ at: "after makeRunFiles#1" }, { at: "after beginLaunch#1" }],
  },
  {
    title: "a reconcile during which the plugin is killed is repeated",
    lives: [{ ...sleeps, forgets: true }, sleeps],
    crashes: [
      { at: "after commit sandboxed#1" },
      { at: "after killInit#1" },
      { at: "before commit startFailed#1" },
    ],
  },
  {
    title:
      "processes and cgroup of a start that came to nothing are removed in the host's pid namespace, too",
    lives: [{ ...sleeps, forgets: true, hostPid: true }],
    crashes: [{ at: "during launch#1" }, { at: "before endCgroup#1" }],
  },
  ...["before startLogger", "after startLogger", "before commit loggerReplaced"].map(
    (step): Regression => ({
      title: `a task whose logger was killed has all its output if the plugin dies ${step}`,
      logs: "driver",
      lives: [{ ...ends, task: "writes", loggerDiesMs: 0 }],
      crashes: [{ at: `${step}#1` }],
    }),
  ),
  ...["before startRelay", "after startRelay", "before commit loggerReplaced"].map(
    (step): Regression => ({
      title: `a task whose relay was killed has all its output if the plugin dies ${step}`,
      logs: "journald",
      lives: [{ ...ends, task: "writes", loggerDiesMs: 0 }],
      crashes: [{ at: `${step}#1` }],
    }),
  ),
  {
    title: "the output of a task that ended without a plugin is complete in the journal",
    logs: "journald",
    lives: [ends, { ...ends, task: "writes" }],
    crashes: [{ at: "after startTask#2" }, { at: "before endOutput#1" }, { at: "after endOutput#1" }],
  },
  {
    title: "the output of a task that ended without a plugin is complete",
    logs: "driver",
    lives: [ends, { ...ends, task: "writes" }],
    crashes: [{ at: "after startTask#2" }, { at: "before endOutput#1" }, { at: "after endOutput#1" }],
  },
  {
    title: "a run's files are removed although the plugin dies between the task's end and their removal",
    lives: [ends],
    crashes: [{ at: "before releaseRun#1" }],
  },
];
