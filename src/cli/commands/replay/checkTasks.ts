/** `replay --check`: verifies the log. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { text } from "node:stream/consumers";
import { DriverError } from "../../../base/errors.ts";
import { selfCommand } from "../../../grpc/lifeline.ts";
import { signatureProblem } from "../../../history/replay/bundle/signature.ts";
import { type CheckReport, checkLog, type StreamPart } from "../../../history/replay/check/checkLog.ts";
import { loadMachine } from "../../../history/replay/check/loadMachine.ts";
import { checkStream, type Finding } from "../../../history/replay/check/streamCheck.ts";
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
  /** The part that this process checks for another one, to which it writes its report. */
  readonly part?: StreamPart | undefined;
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
  part,
  showArgs,
  json,
}: CheckTasksOptions): Promise<number> {
  const own = () => (place.name === undefined ? outcomeMachine() : thisMachine);
  const machine = against === undefined ? own() : await loadMachine(against);
  await using logs = await EventLogs.openFor(place);
  if (part !== undefined) {
    print(JSON.stringify(checkPart(logs, machine, part)));
    return 0;
  }
  const view = new FindingView(styleFor(process.stdout), showArgs);
  const checked =
    place.name === undefined
      ? await checkAll(logs, machine, { path: place.path, against })
      : checkOne(logs, place, machine);
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

/** Checks all tasks of the logs, in several processes if there are many events. */
async function checkAll(
  logs: EventLogs,
  machine: MachineVersion,
  source: Pick<CheckTasksOptions, "against"> & Pick<TaskPlace, "path">,
): Promise<CheckReport> {
  const [own, ...others] = partsOf(logs);
  const elsewhere = others.map((part) => ({ part, report: reportOfProcess(part, source) }));
  const bar = new ProgressBar("checking");
  const reports = [checkPart(logs, machine, own, (done) => bar.show(done))];
  for (const { part, report } of elsewhere)
    reports.push((await report) ?? checkPart(logs, machine, part, (done) => bar.show(done)));
  bar.clear();
  const { findings, ...rest } = joined(reports);
  return { ...rest, findings: findings.sort((a, b) => (a.stream < b.stream ? -1 : 1)) };
}

function checkPart(
  logs: EventLogs,
  machine: MachineVersion,
  part: StreamPart,
  onProgress?: (done: number) => void,
): CheckReport {
  const { readers } = logs;
  return joined(
    readers.map((reader, index) =>
      checkLog(reader, {
        ...{ machine, part },
        onProgress: (done) => onProgress?.((index + done) / readers.length),
      }),
    ),
  );
}

function joined(reports: readonly CheckReport[]): CheckReport & { findings: Finding[] } {
  return {
    streams: reports.reduce((sum, { streams }) => sum + streams, 0),
    events: reports.reduce((sum, { events }) => sum + events, 0),
    findings: reports.flatMap(({ findings }) => findings),
    // All parts of a check meet the same damage.
    damage: [...new Set(reports.flatMap(({ damage }) => damage))],
  };
}

/**
 * The report of a further process about a part.
 * @returns undefined if the process failed, so that its part has to be checked here
 */
async function reportOfProcess(
  { index, of }: StreamPart,
  { path, against }: Pick<CheckTasksOptions, "against"> & Pick<TaskPlace, "path">,
): Promise<CheckReport | undefined> {
  const { command, args, name } = selfCommand();
  const machine = against === undefined ? [] : ["--against", against];
  const options = ["replay", "--check", "--part", `${index}/${of}`, "--state-dir", path, ...machine];
  const child = spawn(command, [...args, ...options], { argv0: name, stdio: ["ignore", "pipe", "ignore"] });
  try {
    const [[code], written] = await Promise.all([once(child, "close"), text(child.stdout)]);
    return code === 0 ? (JSON.parse(written) as CheckReport) : undefined;
  } catch {
    return undefined;
  }
}

/** From this number of events on, a check takes so long that further processes are worth their launch. */
const SHARED_FROM = 200_000;
/** Each process reads all pages of the log. */
const MOST_PROCESSES = 4;

/** The parts of a check, the first of which is this process's own. */
function partsOf({ folders, readers }: EventLogs): [StreamPart, ...StreamPart[]] {
  const events = readers.reduce((sum, reader) => sum + reader.lastPosition(), 0);
  const of =
    folders.length > 0 && events >= SHARED_FROM ? Math.min(availableParallelism(), MOST_PROCESSES) : 1;
  return [{ index: 0, of }, ...Array.from({ length: of - 1 }, (_, other) => ({ index: other + 1, of }))];
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
