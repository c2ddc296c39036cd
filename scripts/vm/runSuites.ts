/** Runs suites of test/vm on a machine, and reports their results. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BootSuites } from "./suites.ts";
import { bootMachine, lastLines, type Machine, makeDisk } from "./virtualMachine.ts";

export interface SuiteRun {
  readonly machine: Machine;
  /** The bundle's program for the machine. */
  readonly guest: string;
  readonly boots: readonly BootSuites[];
  /** Existing folder for the machine's disk, logs and results. */
  readonly folder: string;
  /** Milliseconds after which the machine is switched off, for all boots together. */
  readonly limitMs: number;
  /** A factor of the cases' time limits. */
  readonly patience?: number;
}

/** What the machine reports when it is up. */
export interface MachineFacts {
  /** The release of its kernel, as in uname(2). */
  readonly kernel: string;
  /** Landlock's ABI; 0 if the kernel has no Landlock. */
  readonly landlockAbi: number;
}

export interface SuiteTotals {
  readonly passed: number;
  readonly failed: number;
  /** Undefined if the machine did not boot. */
  readonly facts: MachineFacts | undefined;
  readonly seconds: number;
}

interface Outcome {
  readonly name: string;
  /** Why the case failed; undefined if it passed. */
  readonly failure?: string;
  readonly milliseconds: number;
}

/** Milliseconds in which a machine has booted: ten seconds are usual, and three minutes beside two busy processes. */
const upMs = 480_000;

/** Boots the machine once for each of `boots`, and writes `results.json`. */
export async function runSuites(run: SuiteRun): Promise<SuiteTotals> {
  const startedAt = performance.now();
  const disk = join(run.folder, "disk.img");
  makeDisk(disk);
  const outcomes: Outcome[] = [];
  let facts: MachineFacts | undefined;
  for (const boot of run.boots) {
    const limitMs = run.limitMs - (performance.now() - startedAt);
    if (limitMs <= 0) {
      outcomes.push(...withMissing(boot.cases, [], "no time was left for this boot"));
      continue;
    }
    const result = await runBoot({ ...run, limitMs }, disk, boot);
    outcomes.push(...result.outcomes);
    facts ??= result.facts;
  }
  const failed = writeReport(join(run.folder, "results.json"), outcomes);
  const seconds = Math.round((performance.now() - startedAt) / 1000);
  return { passed: outcomes.length - failed, failed, facts, seconds };
}

async function runBoot(
  { machine, guest, folder, limitMs, patience = 1 }: SuiteRun,
  disk: string,
  { boot, suites, cases }: BootSuites,
): Promise<{ outcomes: Outcome[]; facts: MachineFacts | undefined }> {
  console.log(`${boot}: ${cases.length} cases`);
  const plan = join(folder, `${boot}.plan.json`);
  writeFileSync(plan, JSON.stringify({ suites, cases, patience }));
  const [consoleLog, emulatorLog] = [
    join(folder, `${boot}.console.log`),
    join(folder, `${boot}.emulator.log`),
  ];
  const reported: Outcome[] = [];
  const begun = performance.now();
  const progress: { up?: MachineFacts; done?: boolean } = {};
  const failure = await bootMachine(machine, {
    command: ["env", ...passedOn(), machine.node, "--enable-source-maps", guest, "run", plan]
      .map(quoted)
      .join(" "),
    disk,
    consoleLog,
    emulatorLog,
    limitMs,
    upMs,
    onLine: (line) => {
      const message = JSON.parse(line) as Partial<Outcome & typeof progress>;
      if (message.up !== undefined) console.log(`up after ${secondsSince(begun)} s`);
      if (message.name === undefined) return void Object.assign(progress, message);
      reported.push(message as Outcome);
      printOutcome(message as Outcome);
    },
  });
  const facts = progress.up;
  if (progress.done && failure === undefined) {
    return { outcomes: withMissing(cases, reported, "the case did not run"), facts };
  }
  const state = facts ? "ended before its suites did" : "did not boot";
  console.error(`The virtual machine ${state}${failure === undefined ? "" : `: ${failure}`}`);
  for (const log of [consoleLog, emulatorLog]) console.error(`--- ${log}\n${lastLines(log)}`);
  // Fails the run even if every case has been reported by then.
  const end = { name: `${boot} > comes to its end`, failure: state, milliseconds: 0 };
  return { outcomes: [...withMissing(cases, reported, `the virtual machine ${state}`), end], facts };
}

function secondsSince(begun: number): number {
  return Math.round((performance.now() - begun) / 1000);
}

/** Variables of this process that say how much the suites do. */
function passedOn(): string[] {
  return ["TEST_LONG"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [`${name}=${value}`];
  });
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function printOutcome({ name, failure, milliseconds }: Outcome): void {
  console.log(`${failure === undefined ? "✓" : "✗"} ${name} (${(milliseconds / 1000).toFixed(1)} s)`);
  if (failure !== undefined) console.log(failure.replaceAll(/^/gm, "    "));
}

/** Adds each case without a result as a failed one. */
function withMissing(cases: readonly string[], reported: readonly Outcome[], why: string): Outcome[] {
  const missing = cases
    .filter((name) => !reported.some((outcome) => outcome.name === name))
    .map((name) => ({ name, failure: why, milliseconds: 0 }));
  for (const outcome of missing) printOutcome(outcome);
  return [...reported, ...missing];
}

/**
 * Writes the totals, named as in vitest's JSON report.
 * @returns the number of cases that failed
 */
function writeReport(path: string, outcomes: readonly Outcome[]): number {
  const failed = outcomes.filter(({ failure }) => failure !== undefined).length;
  const totals = {
    numPassedTests: outcomes.length - failed,
    numFailedTests: failed,
    numPendingTests: 0,
    numTodoTests: 0,
  };
  writeFileSync(path, JSON.stringify({ ...totals, outcomes }, null, 2));
  return failed;
}
