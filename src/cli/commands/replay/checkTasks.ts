/** `replay --check`: verifies the log. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { text } from "node:stream/consumers";
import { DriverError } from "../../../base/errors.ts";
import { selfCommand } from "../../../grpc/lifeline.ts";
import { signatureProblem } from "../../../history/replay/bundle/signature.ts";
import {
  type CheckReport,
  checkLog,
  partsOf,
  type StreamPart,
  wholeLog,
} from "../../../history/replay/check/checkLog.ts";
import { loadMachine } from "../../../history/replay/check/loadMachine.ts";
import { checkStream, type Finding } from "../../../history/replay/check/streamCheck.ts";
import { outcomeMachine } from "../../../history/replay/check/tableMachine.ts";
import { type MachineVersion, thisMachine } from "../../../machines/machineVersion.ts";
import { unknownSigner } from "../../histories/bundleSigner.ts";
import { EventLogs, type TaskPlace } from "../../histories/eventLogs.ts";
import { FindingView, isVerified } from "../../histories/findingView.ts";
import { jsonOf } from "../../terminal/json.ts";
import { print } from "../../terminal/output.ts";
import { styleFor } from "../../terminal/style.ts";

export interface CheckTasksOptions {
  /** The place of the task to check; without a name, all tasks. */
  readonly place: TaskPlace;
  /** Path of the machine to check with; undefined: this version's machine. */
  readonly against: string | undefined;
  /** Path of the public key that the bundle's signature has to fit; undefined: no signature is asked for. */
  readonly key: string | undefined;
  /** The part of each log that this process checks for another one, to which it writes its report. */
  readonly parts?: readonly StreamPart[] | undefined;
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
  parts,
  showArgs,
  json,
}: CheckTasksOptions): Promise<number> {
  const own = () => (place.name === undefined ? outcomeMachine() : thisMachine);
  const machine = against === undefined ? own() : await loadMachine(against);
  await using logs = await EventLogs.openFor(place);
  if (parts !== undefined) {
    // A log that is not as old as the check has no part, and is not checked.
    print(JSON.stringify(checkParts(logs, machine, parts)));
    return 0;
  }
  const view = new FindingView(styleFor(process.stdout), showArgs);
  const checked =
    place.name === undefined
      ? await checkAll(logs, machine, { path: place.path, against })
      : checkOne(logs, place, machine);
  const report = {
    ...checked,
    ...(key === undefined ? unknownSigner(place.path) : { signature: signatureOf(place.path, key) }),
  };
  print(json ? jsonOf("replay --check", view.fields(report, machine)) : view.report(report, machine));
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
  const { readers } = logs;
  const of = processesFor(logs);
  const divided = readers.map((reader) => partsOf(reader, of));
  const [own = [], ...others] = Array.from({ length: of }, (_, process) =>
    divided.map((parts) => parts[process] ?? wholeLog),
  );
  const elsewhere = others.map((parts) => ({ parts, report: reportOfProcess(parts, source) }));
  const bar = new ProgressBar("checking");
  const check = (parts: readonly StreamPart[]) => checkParts(logs, machine, parts, (done) => bar.show(done));
  const reports = [check(own)];
  for (const { parts, report } of elsewhere) reports.push((await report) ?? check(parts));
  bar.clear();
  const { findings, ...rest } = joined(reports);
  return { ...rest, findings: firstOfEach(findings) };
}

/** @param parts of each log, in the order of the logs */
function checkParts(
  { readers }: EventLogs,
  machine: MachineVersion,
  parts: readonly StreamPart[],
  onProgress?: (done: number) => void,
): CheckReport {
  return joined(
    parts.flatMap((part, index) => {
      const reader = readers[index];
      if (reader === undefined) return [];
      const progress = (done: number) => onProgress?.((index + done) / parts.length);
      return [checkLog(reader, { machine, part, onProgress: progress })];
    }),
  );
}

/** The first finding of each stream: besides the part that has a stream, others may find records of it. */
function firstOfEach(findings: readonly Finding[]): Finding[] {
  const inOrder = findings.toSorted((a, b) =>
    a.stream === b.stream ? a.seq - b.seq : a.stream < b.stream ? -1 : 1,
  );
  return inOrder.filter(({ stream }, index) => stream !== inOrder[index - 1]?.stream);
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
 * The report of a further process about a part of each log.
 * @returns undefined if the process failed, so that its part has to be checked here
 */
async function reportOfProcess(
  parts: readonly StreamPart[],
  { path, against }: Pick<CheckTasksOptions, "against"> & Pick<TaskPlace, "path">,
): Promise<CheckReport | undefined> {
  const { command, args, name } = selfCommand();
  const machine = against === undefined ? [] : ["--against", against];
  const options = ["replay", "--check", "--parts", textOf(parts), "--state-dir", path, ...machine];
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
/** With long histories, each process reads nearly all pages of the log. */
const MOST_PROCESSES = 4;

/** The number of processes that share a check, this one among them. */
function processesFor({ folders, readers }: EventLogs): number {
  const events = readers.reduce((sum, reader) => sum + reader.lastPosition(), 0);
  return folders.length > 0 && events >= SHARED_FROM ? Math.min(availableParallelism(), MOST_PROCESSES) : 1;
}

/** Parts as the option `--parts` has them: `0-4711,0-` are parts of two logs, the second a whole one. */
function textOf(parts: readonly StreamPart[]): string {
  return parts.map(({ from, to }) => `${from}-${to === wholeLog.to ? "" : to}`).join();
}

/** Reads what {@link textOf} writes. */
export function readParts(text: string): StreamPart[] {
  return text.split(",").map((part) => {
    const [from, to] = part.split("-");
    return { from: Number(from), to: to === "" ? wholeLog.to : Number(to) };
  });
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
