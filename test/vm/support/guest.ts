/**
 * The only program that a boot of the virtual machine runs.
 *
 * `guest.js list SUITE…` prints the names of the cases, on any machine. `guest.js run PLAN` makes the machine
 * ready and runs the cases of a plan: JSON with the paths of suites and the names of cases. It writes each
 * outcome as a line of JSON to a port of the machine, so that outcomes before a crash are not lost.
 */
import { openSync, readFileSync, writeSync } from "node:fs";
import { release } from "node:os";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import { finishFile } from "../../support/fileEnd.ts";
import { prepareGuest } from "./prepareGuest.ts";
import { afterAll, caseNames, runCases } from "./runner.ts";

interface GuestPlan {
  readonly suites: readonly string[];
  readonly cases: readonly string[];
  /** A factor of the cases' time limits. */
  readonly patience: number;
}

const [mode, ...operands] = process.argv.slice(2);
if (mode === "list") {
  await load(operands);
  console.log(JSON.stringify(caseNames()));
} else {
  const port = openSync("/dev/virtio-ports/exec2.results", "w");
  const tell = (line: object) => writeSync(port, `${JSON.stringify(line)}\n`);
  tell({ up: { kernel: release(), landlockAbi: landlockAbi() } });
  prepareGuest();
  const { suites, cases, patience } = JSON.parse(readFileSync(operands[0] as string, "utf8")) as GuestPlan;
  await load(suites);
  afterAll(finishFile);
  await runCases(new Set(cases), patience, tell);
  tell({ done: true });
  // Ends even if a failed case has left handles open.
  process.exit();
}

async function load(suites: readonly string[]): Promise<void> {
  for (const suite of suites) await import(suite);
}
