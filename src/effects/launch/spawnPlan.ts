/**
 * Spawns the processes of a plan. The runner gets the plan's table, its report pipe
 * and the descriptors that the plan names.
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { DriverError } from "../../errors.ts";
import { MFD_CLOEXEC } from "../kernel/constants.ts";
import { memfdCreate, pipe2, waitpid } from "../kernel/libc.ts";
import { assembleEarly, assembleLate } from "./assemble.ts";
import {
  type Descriptors,
  descriptors,
  type EarlyPlan,
  type LatePlan,
  type Spawning,
  type WholePlan,
} from "./plan.ts";
import type { Report } from "./report.ts";
import { type ReportPipe, readReport } from "./reportPipe.ts";
import { runnerArchitecture, spawnRunner } from "./runner.ts";
import { LATE_OFFSET } from "./table.ts";

/** A running plan. */
export interface Spawned extends ReportPipe {
  /** The process that executes the phase `parent`. The caller has to wait for it. */
  readonly pid: number;
}

/** A running plan whose rest is not known yet. */
export interface SpawnedEarly extends Spawned {
  /**
   * Writes the rest to the table.
   * @throws DriverError `LAUNCH_FAILED` if arguments and environment are too long
   */
  load(late: LatePlan): void;
  /** To be called once, after the rest is loaded or will never be. */
  closeTable(): void;
}

/**
 * @param passed this process's descriptors for those that the plan names. They have to be above 6, as all
 *   are that this process opened itself, and stay open here. Standard streams that the plan does not name
 *   become `/dev/null`.
 * @param runnerFolder where to put the runner if this host doesn't execute memfds; only root may have access
 * @throws DriverError `LAUNCH_FAILED`
 */
export function spawnPlan<Name extends string>(
  plan: WholePlan<Name>,
  passed: Descriptors<NoInfer<Name>>,
  runnerFolder: string | undefined,
): Spawned {
  return spawn(plan, plan, passed, runnerFolder);
}

/** The same for the early part of a launch. */
export function spawnEarlyPlan(
  early: EarlyPlan,
  passed: EarlyPlan["inherited"],
  runnerFolder: string | undefined,
): SpawnedEarly {
  return spawn(early, undefined, passed, runnerFolder);
}

function spawn<Name extends string>(
  plan: Spawning<Name> & Pick<EarlyPlan, "steps">,
  late: LatePlan | undefined,
  passed: Descriptors<Name>,
  runnerFolder: string | undefined,
): SpawnedEarly {
  using undo = new DisposableStack();
  using childOnly = new DisposableStack();
  try {
    const table = memfdCreate("exec2-plan", MFD_CLOEXEC);
    (late ? childOnly : undo).adopt(table, closeSync);
    const load = (late: LatePlan) => writeAt(table, assembleLate(late, runnerArchitecture()), LATE_OFFSET);
    writeAt(table, assembleEarly(plan, runnerArchitecture()), 0);
    if (late) load(late);
    const pipe = pipe2();
    undo.adopt(pipe.read, closeSync);
    childOnly.adopt(pipe.write, closeSync);
    const report = plan.outlivesPlugin ? childOnly.adopt(openBothWays(pipe.write), closeSync) : pipe.write;
    const named = (Object.keys(plan.inherited) as Name[]).map((name) => ({
      from: passed[name],
      to: plan.inherited[name],
    }));
    const unnamed = standardStreams.filter((to) => named.every((each) => each.to !== to));
    const inherited = [
      ...unnamed.map((to) => ({ from: nullDevice(), to })),
      { from: table, to: descriptors.plan },
      { from: report, to: descriptors.report },
      ...named,
    ];
    const pid = spawnRunner(plan.initName, inherited, runnerFolder);
    undo.move();
    return { pid, load, closeTable: () => closeSync(table), ...readReport(pipe.read) };
  } catch (thrown) {
    throw DriverError.from(thrown, "LAUNCH_FAILED", "the launch could not begin");
  }
}

/** The result of a plan. */
export interface Outcome extends Report {
  /** Raw wait status of the spawned process. */
  readonly status: number | undefined;
}

/** Resolves once all of a plan's processes have closed the report pipe; the first must close it by exiting. */
export async function outcomeOf({ pid, report }: Spawned): Promise<Outcome> {
  return { ...(await report), status: waitpid(pid, 0) };
}

const standardStreams = [descriptors.stdin, descriptors.stdout, descriptors.stderr];

/** Leaves the descriptor's own offset unchanged, because the runner reads from it. */
function writeAt(memfd: number, content: Uint8Array, offset: number): void {
  let written = 0;
  while (written < content.length) {
    written += writeSync(memfd, content, written, content.length - written, offset + written);
  }
}

/**
 * Opens a pipe for reading and writing (fifo(7)): a process that writes to it never gets SIGPIPE. A released
 * init must start the task even if this process dies meanwhile.
 */
function openBothWays(pipe: number): number {
  return openSync(`/proc/self/fd/${pipe}`, constants.O_RDWR);
}

let openedNullDevice: number | undefined;

/** `/dev/null` for reading, opened once. */
function nullDevice(): number {
  openedNullDevice ??= openSync("/dev/null", "r");
  return openedNullDevice;
}
