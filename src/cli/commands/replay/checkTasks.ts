/** `replay --check`: verifies the log. */

import { readFileSync } from "node:fs";
import { DriverError } from "../../../base/errors.ts";
import { signatureProblem } from "../../../history/replay/bundle/signature.ts";
import { type CheckReport, checkLog } from "../../../history/replay/check/checkLog.ts";
import { loadMachine } from "../../../history/replay/check/loadMachine.ts";
import { checkStream } from "../../../history/replay/check/streamCheck.ts";
import { outcomeMachine } from "../../../history/replay/check/tableMachine.ts";
import { type MachineVersion, thisMachine } from "../../../machines/machineVersion.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { FindingView, isVerified } from "../../histories/findingView.ts";
import { print } from "../../terminal/output.ts";
import { styleFor } from "../../terminal/style.ts";

export interface CheckTasksOptions {
  /** The place of the task to check; without a name, all tasks. */
  readonly place: TaskPlace;
  /** Path of the machine to check with; undefined: this version's machine. */
  readonly against: string | undefined;
  /** Path of the public key that the bundle's signature has to fit; undefined: no signature is asked for. */
  readonly key: string | undefined;
  readonly showArgs: boolean;
  readonly json: boolean;
}

/**
 * @returns the exit code: 0 if all is verified, 1 for a difference, damage or a signature that does not fit
 * @throws DriverError if the check could not be made
 */
export async function checkTasks({
  place,
  against,
  key,
  showArgs,
  json,
}: CheckTasksOptions): Promise<number> {
  const own = () => (place.name === undefined ? outcomeMachine() : thisMachine);
  const machine = against === undefined ? own() : await loadMachine(against);
  await using logs = await EventLogs.openFor(place);
  const view = new FindingView(styleFor(process.stdout), showArgs);
  const checked = place.name === undefined ? checkAll(logs, machine) : checkOne(logs, place, machine);
  const report = { ...checked, signature: key === undefined ? undefined : signatureOf(place.path, key) };
  print(json ? view.json(report, machine) : view.report(report, machine));
  return isVerified(report) ? 0 : 1;
}

/** @throws DriverError `BUNDLE_INVALID` if the path is no file, `KEY_INVALID` */
function signatureOf(path: string, key: string): DriverError | undefined {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (thrown) {
    throw DriverError.from(thrown, "BUNDLE_INVALID", "only a bundle has a signature");
  }
  return signatureProblem(bytes, key);
}

function checkOne(logs: EventLogs, place: TaskPlace, machine: MachineVersion): CheckReport {
  const { head, reader } = logs.find(place);
  const finding = checkStream(reader.readRecords(head.stream), head, machine);
  return { streams: 1, events: head.version, findings: finding ? [finding] : [], damage: reader.damage };
}

function checkAll(logs: EventLogs, machine: MachineVersion): CheckReport {
  const bar = new ProgressBar("checking");
  const reports = logs.readers.map((reader, index) =>
    checkLog(reader, { machine, onProgress: (done) => bar.show((index + done) / logs.readers.length) }),
  );
  bar.clear();
  return {
    streams: reports.reduce((sum, { streams }) => sum + streams, 0),
    events: reports.reduce((sum, { events }) => sum + events, 0),
    findings: reports.flatMap(({ findings }) => findings),
    damage: reports.flatMap(({ damage }) => damage),
  };
}

const barWidth = 30;

/** A line on standard error that shows the progress, if standard error is a terminal. */
class ProgressBar {
  readonly #name: string;
  #shown = "";

  constructor(name: string) {
    this.#name = name;
  }

  /** @param share the part that is done, from 0 to 1 */
  show(share: number): void {
    const done = Math.min(1, Math.max(0, share));
    const filled = Math.round(done * barWidth);
    const bar = `${this.#name} ${"█".repeat(filled)}${"░".repeat(barWidth - filled)} ${Math.floor(done * 100)} %`;
    if (bar === this.#shown) return;
    this.#shown = bar;
    this.#write(`\r${bar}`);
  }

  clear(): void {
    if (this.#shown !== "") this.#write("\r\x1b[K");
    this.#shown = "";
  }

  #write(text: string): void {
    if (process.stderr.isTTY) process.stderr.write(text);
  }
}
