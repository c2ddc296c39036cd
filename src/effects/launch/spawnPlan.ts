/** Has a plan carried out that is known as a whole: assembles it and spawns the runner with it. */
import { closeSync, openSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { DriverError } from "../../errors.ts";
import { MFD_CLOEXEC } from "../kernel/constants.ts";
import { memfdCreate, pipe2 } from "../kernel/libc.ts";
import type { SpawnDescriptor } from "../kernel/posixSpawn.ts";
import { assembleBeginning, assembleRest } from "./assemble.ts";
import { descriptors, type Plan } from "./plan.ts";
import { runnerArchitecture, spawnRunner } from "./runner.ts";
import { REST_OFFSET } from "./table.ts";

/** A plan on its way. */
export interface Spawned {
  /** The process that the phase `outside` is carried out by; to be waited for. */
  readonly pid: number;
  /** What the plan's processes report comes here, and its end when all of them have closed it. */
  readonly reportPipe: number;
}

/**
 * @param inherited what the plan's processes find open beside the plan and the report pipe;
 *   the standard input is `/dev/null` unless it is among them. All stay open here.
 * @param runnerFolder where to put the runner if this host doesn't execute memfds; root's alone
 * @throws DriverError `LAUNCH_FAILED`
 */
export function spawnPlan(
  plan: Plan,
  inherited: readonly SpawnDescriptor[],
  runnerFolder: string | undefined,
): Spawned {
  const pipe = pipe2();
  try {
    return { pid: spawnWith(plan, inherited, pipe.write, runnerFolder), reportPipe: pipe.read };
  } catch (thrown) {
    closeSync(pipe.read);
    throw DriverError.from(thrown, "LAUNCH_FAILED", "the launch could not be begun");
  } finally {
    closeSync(pipe.write);
  }
}

function spawnWith(
  plan: Plan,
  inherited: readonly SpawnDescriptor[],
  report: number,
  runnerFolder: string | undefined,
): number {
  const table = memfdCreate("exec2-plan", MFD_CLOEXEC);
  try {
    writeAt(table, assembleBeginning(plan, runnerArchitecture()), 0);
    writeAt(table, assembleRest(plan, runnerArchitecture()), REST_OFFSET);
    const all = [
      { from: nullDevice(), to: descriptors.stdin },
      ...inherited,
      { from: table, to: descriptors.plan },
      { from: report, to: descriptors.report },
    ];
    return spawnRunner(plan.initName, all, runnerFolder);
  } finally {
    closeSync(table);
  }
}

/** Writes to a plan's table, not through the descriptor's own offset, which the runner reads from. */
export function writeAt(memfd: number, content: Uint8Array, offset: number): void {
  let written = 0;
  while (written < content.length) {
    written += writeSync(memfd, content, written, content.length - written, offset + written);
  }
}

let openedNullDevice: number | undefined;

/** `/dev/null` for reading, opened once. */
export function nullDevice(): number {
  openedNullDevice ??= openSync("/dev/null", "r");
  return openedNullDevice;
}

/** All that comes through a pipe, which is closed after it. Waits in the event loop: no thread is held up. */
export function readToEnd(pipe: number): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const chunks: Buffer[] = [];
  new Socket({ fd: pipe, readable: true, writable: false })
    .on("data", (chunk: Buffer) => chunks.push(chunk))
    .once("end", () => resolve(Buffer.concat(chunks)))
    .once("error", reject);
  return promise;
}
