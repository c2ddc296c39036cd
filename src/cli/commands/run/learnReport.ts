/** The text that `run --learn` prints. Pure. */

import { capabilityName, capabilityNumbers, capabilitySet } from "../../../effects/kernel/capabilities.ts";
import { formatMode } from "../../../effects/unveil/unveil.ts";
import type { NetworkLists } from "../../../learn/policies.ts";
import type { Learned } from "../../../learn/policy.ts";
import type { Peaks } from "../../../learn/watchedTasks.ts";
import type { Task } from "../../../localAgent/jobspec/job.ts";
import { formatDuration } from "../../../units/durations.ts";
import { formatBytes } from "../../../units/sizes.ts";
import { visible } from "../../../units/visible.ts";

/** What was learned about a task. */
export interface LearnedTask {
  /** The task's name, with the group's name if that differs. */
  readonly label: string;
  readonly group: string;
  readonly task: Task;
  readonly policy: Learned;
  /** Entries that the task needs in addition to those of the job file. */
  readonly unveil: readonly string[];
  readonly identityFiles: boolean;
  /** Ports and destinations that the job file's lists lack. */
  readonly lists: NetworkLists;
  /** Variables of the task's environment that hold ports of its allocation. */
  readonly portNames: ReadonlyMap<number, string>;
  /** Options without which the job worked. */
  readonly canDoWithout: readonly string[];
  /** The peaks of each instance. */
  readonly peaks: readonly Peaks[];
}

export interface LearnReport {
  readonly tasks: readonly LearnedTask[];
  /** The run without refusals. */
  readonly seen: { readonly exitCode: number; readonly milliseconds: number; readonly stopped: boolean };
  /** Number of uses that the observer could not record. */
  readonly lost: number;
  /** Whether the kernel reports which capabilities a process uses. */
  readonly seesCapabilities: boolean;
  /** The result of trying the learned options. */
  readonly enforced: {
    /** The last trial; undefined if the user interrupted the trials. */
    readonly trial:
      | { readonly exitCode: number; readonly stopped: boolean; readonly failures: readonly unknown[] }
      | undefined;
    /** Whether the last trial ended as the run without refusals did. */
    readonly same: boolean;
    /** Accesses that the run without refusals made, and that the last trial refused. */
    readonly denied: readonly string[];
    /**
     * Whether some options were in every trial, so that the job may work without them. This is the case if
     * there were too many options, if the first run was stopped, or if the user interrupted the trials.
     */
    readonly limited: boolean;
  };
  /** Whether all names are listed. */
  readonly verbose: boolean;
}

export function learnReport(report: LearnReport): string {
  const lines = [
    ...report.tasks.flatMap((task) => [...taskLines(task, report), ""]),
    ...(report.lost > 0
      ? [
          `Not seen: ${report.lost} uses, because their names were too long or there were too many. This policy may lack something.`,
        ]
      : []),
    ...enforcedLines(report),
  ];
  return `${lines.map((line) => visible(line)).join("\n")}\n`;
}

function taskLines(learned: LearnedTask, { verbose, seesCapabilities }: LearnReport): string[] {
  const { label, task, policy, unveil, identityFiles, canDoWithout } = learned;
  const list = (text: string, items: readonly string[]) =>
    items.length === 0 ? [] : [`  ${text}: ${shortened(items, verbose)}`];
  return [
    `${label}:`,
    ...configLines(unveil, identityFiles),
    ...list("It can do without", canDoWithout),
    ...policy.leftOut.map(({ path, mode, why }) => `  Not unveiled: ${formatMode(mode)}:${path} ${why}`),
    ...list("It looked for these, which do not exist", policy.missing),
    ...networkLines(learned),
    ...capabilityLines(task, policy, seesCapabilities),
    ...peakLines(learned.peaks),
  ];
}

/** The options in the form of a job file. */
function configLines(unveil: readonly string[], identityFiles: boolean): string[] {
  const options = [
    ...(unveil.length === 0
      ? []
      : ["  unveil = [", ...unveil.map((entry) => `    ${JSON.stringify(entry)},`), "  ]"]),
    ...(identityFiles ? ["  identity_files = true"] : []),
  ];
  if (options.length === 0) return ["  It needs no further options."];
  return ["  config {", ...options.map((line) => `  ${line}`), "  }"];
}

const shownNames = 5;

function shortened(items: readonly string[], verbose: boolean): string {
  if (verbose || items.length <= shownNames) return items.join(", ");
  return `${items.slice(0, shownNames).join(", ")} and ${items.length - shownNames} more (-v shows them)`;
}

function networkLines({ task, policy, lists, portNames }: LearnedTask): string[] {
  const named = (port: number) => {
    const name = portNames.get(port);
    return name === undefined ? String(port) : `"\${${name}}"`;
  };
  const used = { connect_tcp: policy.connectTcp, bind_tcp: policy.bindTcp };
  const lacking = Object.entries(lists).map(([option, added]) => `  Added to ${option}: ${added.join(", ")}`);
  const limits = Object.entries(used).flatMap(([option, numbers]) =>
    numbers.length === 0 || task.config[option] !== undefined
      ? []
      : `${option} = [${numbers.map(named).join(", ")}]`,
  );
  return [
    ...lacking,
    ...(limits.length === 0 ? [] : [`  It may use all TCP ports. Those that it used: ${limits.join(", ")}`]),
    ...(policy.egress.length === 0 || task.config.egress !== undefined
      ? []
      : [`  It may connect everywhere. Where it did: egress = ${hclList(policy.egress)}`]),
  ];
}

function hclList(texts: readonly string[]): string {
  return `[${texts.map((text) => JSON.stringify(text)).join(", ")}]`;
}

function capabilityLines(
  { config }: Task,
  { usedCapabilities, refusedCapabilities }: Learned,
  seesCapabilities: boolean,
): string[] {
  const added = Array.isArray(config.cap_add)
    ? capabilityNumbers(capabilitySet(config.cap_add.map(String)))
    : [];
  if (added.length > 0 && !seesCapabilities)
    return ["  Capabilities: this kernel does not report which are used (Linux 6.13 does)"];
  const unused = added.filter((number) => !usedCapabilities.includes(number));
  const names = (numbers: readonly number[]) => numbers.map(capabilityName).join(", ");
  return [
    ...(unused.length > 0 ? [`  cap_add: it did not use ${names(unused)}`] : []),
    ...(refusedCapabilities.length > 0
      ? [`  Capabilities that it asked for but does not need: ${names(refusedCapabilities)}`]
      : []),
  ];
}

function peakLines(peaks: readonly Peaks[]): string[] {
  const most = (of: (peaks: Peaks) => number | undefined) => {
    const known = peaks.flatMap((each) => of(each) ?? []);
    return known.length === 0 ? undefined : Math.max(...known);
  };
  const memory = most(({ memoryBytes }) => memoryBytes);
  const processes = most(({ processes }) => processes);
  if (memory === undefined && processes === undefined) return [];
  const parts = [
    ...(memory === undefined ? [] : [`${formatBytes(memory)} of memory`]),
    ...(processes === undefined ? [] : [`${processes} processes and threads, including its init`]),
  ];
  return [`  It used at most ${parts.join(", ")}`];
}

function enforcedLines({ seen, enforced, tasks }: LearnReport): string[] {
  const hasEntries = tasks.some(({ unveil, identityFiles }) => unveil.length > 0 || identityFiles);
  const { trial, same, denied, limited } = enforced;
  const free = `Without refusals, the job ${seen.stopped ? "ran until it was stopped" : `ended with exit code ${seen.exitCode}`} (${formatDuration(Math.round(seen.milliseconds))}).`;
  if (trial === undefined) return [free, "Under this policy it did not run to its end."];
  const missed = denied.length === 0 ? "" : ` It missed: ${denied.join(", ")}.`;
  if (!same) {
    const how =
      trial.stopped && !seen.stopped
        ? "did not end by itself"
        : `ended otherwise: exit code ${trial.exitCode}`;
    return [free, `Under this policy it ${how}.${missed}`];
  }
  return [
    free,
    `Under this policy, in a root of its own, it did the same${denied.length === 0 ? ": no denial." : `, without ${shortened(denied, false)}.`}`,
    ...(limited || (seen.stopped && hasEntries)
      ? ["Not every option was tried alone, so some may not be needed."]
      : []),
  ];
}
