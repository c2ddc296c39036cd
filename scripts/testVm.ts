/**
 * Runs the suites of test/vm in a virtual machine with all controllers of cgroup v2. An argument selects the
 * cases whose names contain it; `--arm64` is for a machine of that architecture. The bundle of the suites, the
 * results and the logs are in test-results/vm or test-results/arm64.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { buildForArm64 } from "./executable/buildExecutable.ts";
import { arm64Machine } from "./vm/arm64Machine.ts";
import { type BootSuites, bundleSuites, selectCases } from "./vm/suites.ts";
import { bootMachine, lastLines, makeDisk, ownMachine } from "./vm/virtualMachine.ts";

/** Maximum time of all boots together. CI machines may be slow. */
const limitMs = process.env.CI ? 2_400_000 : 1_800_000;

const { values, positionals } = parseArgs({
  options: { arm64: { type: "boolean", default: false } },
  allowPositionals: true,
});
const root = join(import.meta.dirname, "..");
const folder = join(root, values.arm64 ? "test-results/arm64" : "test-results/vm");
const disk = join(folder, "disk.img");

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const { guest, boots } = await bundleSuites(root, folder);
const [text = ""] = positionals;
const selected = selectCases(boots, text);
if (selected.length === 0) {
  console.error(`No case has ${JSON.stringify(text)} in its name. The cases are:`);
  for (const name of boots.flatMap(({ cases }) => cases)) console.error(`  ${name}`);
  process.exit(2);
}
makeDisk(disk);
const machine = values.arm64 ? arm64Machine(root, folder, await buildForArm64()) : ownMachine;
/** Another architecture's instructions take longer to emulate. */
const patience = values.arm64 ? 4 : 1;
const outcomes: Outcome[] = [];
for (const boot of selected) outcomes.push(...(await runBoot(boot)));
const failed = writeReport(join(folder, "results.json"), outcomes);
const seconds = Math.round(performance.now() / 1000);
console.log(
  `${outcomes.length - failed} passed, ${failed} failed in the virtual machine, after ${seconds} s`,
);
process.exitCode = failed > 0 ? 1 : 0;

async function runBoot({ boot, suites, cases }: BootSuites): Promise<Outcome[]> {
  console.log(`${boot}: ${cases.length} cases`);
  const plan = join(folder, `${boot}.plan.json`);
  writeFileSync(plan, JSON.stringify({ suites, cases, patience }));
  const [consoleLog, emulatorLog] = [
    join(folder, `${boot}.console.log`),
    join(folder, `${boot}.emulator.log`),
  ];
  const reported: Outcome[] = [];
  const progress = { up: false, done: false };
  const failure = await bootMachine(machine, {
    command: [machine.node, "--enable-source-maps", guest, "run", plan].map(quoted).join(" "),
    disk,
    consoleLog,
    emulatorLog,
    limitMs: limitMs - performance.now(),
    onLine: (line) => {
      const message = JSON.parse(line) as Partial<Outcome & typeof progress>;
      if (message.name === undefined) return void Object.assign(progress, message);
      reported.push(message as Outcome);
      printOutcome(message as Outcome);
    },
  });
  if (progress.done && failure === undefined) return withMissing(cases, reported, "the case did not run");

  const state = progress.up ? "ended before its suites did" : "did not boot";
  console.error(`The virtual machine ${state}${failure === undefined ? "" : `: ${failure}`}`);
  for (const log of [consoleLog, emulatorLog]) console.error(`--- ${log}\n${lastLines(log)}`);
  // Fails the run even if every case has been reported by then.
  const end = { name: `${boot} > comes to its end`, failure: state, milliseconds: 0 };
  return [...withMissing(cases, reported, `the virtual machine ${state}`), end];
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

interface Outcome {
  readonly name: string;
  /** Why the case failed; undefined if it passed. */
  readonly failure?: string;
  readonly milliseconds: number;
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
