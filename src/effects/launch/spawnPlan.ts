/**
 * The one way from a plan to its processes: its table, the pipe that it reports
 * through and the descriptors that it names go to the runner.
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

/** A plan on its way. */
export interface Spawned extends ReportPipe {
  /** The process that the phase `parent` is carried out by; to be waited for. */
  readonly pid: number;
}

/** A plan on its way whose rest is not known yet. */
export interface Begun extends Spawned {
  /**
   * Lays the rest ready.
   * @throws DriverError `LAUNCH_FAILED` where arguments and environment are too long
   */
  load(late: LatePlan): void;
  /** To be called once, when the rest is laid or never will be. */
  closeTable(): void;
}

/**
 * @param given of this process, above 6 as all are that it opened itself: what the plan is to find
 *   open. Of the standard streams, those that it does not name are `/dev/null`. All stay open here.
 * @param runnerFolder where to put the runner if this host doesn't execute memfds; root's alone
 * @throws DriverError `LAUNCH_FAILED`
 */
export function spawnPlan<Name extends string>(
  plan: WholePlan<Name>,
  given: Descriptors<NoInfer<Name>>,
  runnerFolder: string | undefined,
): Spawned {
  return spawn(plan, plan, given, runnerFolder);
}

/** The same with the beginning of a launch. */
export function beginPlan(
  early: EarlyPlan,
  given: EarlyPlan["finds"],
  runnerFolder: string | undefined,
): Begun {
  return spawn(early, undefined, given, runnerFolder);
}

function spawn<Name extends string>(
  plan: Spawning<Name> & Pick<EarlyPlan, "steps">,
  late: LatePlan | undefined,
  given: Descriptors<Name>,
  runnerFolder: string | undefined,
): Begun {
  using undo = new DisposableStack();
  using theirs = new DisposableStack();
  try {
    const table = memfdCreate("exec2-plan", MFD_CLOEXEC);
    (late ? theirs : undo).adopt(table, closeSync);
    const load = (late: LatePlan) => writeAt(table, assembleLate(late, runnerArchitecture()), LATE_OFFSET);
    writeAt(table, assembleEarly(plan, runnerArchitecture()), 0);
    if (late) load(late);
    const pipe = pipe2();
    undo.adopt(pipe.read, closeSync);
    theirs.adopt(pipe.write, closeSync);
    const report = plan.outlivesPlugin ? theirs.adopt(openBothWays(pipe.write), closeSync) : pipe.write;
    const { finds } = plan;
    const named = (Object.keys(finds) as Name[]).map((name) => ({ from: given[name], to: finds[name] }));
    const silent = standardStreams.filter((to) => named.every((each) => each.to !== to));
    const inherited = [
      ...silent.map((to) => ({ from: nullDevice(), to })),
      { from: table, to: descriptors.plan },
      { from: report, to: descriptors.report },
      ...named,
    ];
    const pid = spawnRunner(plan.initName, inherited, runnerFolder);
    undo.move();
    return { pid, load, closeTable: () => closeSync(table), ...readReport(pipe.read) };
  } catch (thrown) {
    throw DriverError.from(thrown, "LAUNCH_FAILED", "the launch could not be begun");
  }
}

/** What became of a plan. */
export interface Outcome extends Report {
  /** Raw wait status of the process that was spawned. */
  readonly status: number | undefined;
}

/** Resolves once all of a plan's processes have closed the report pipe; for plans whose first one does so by ending. */
export async function outcomeOf({ pid, report }: Spawned): Promise<Outcome> {
  return { ...(await report), status: waitpid(pid, 0) };
}

const standardStreams = [descriptors.stdin, descriptors.stdout, descriptors.stderr];

/** Not through the descriptor's own offset, which the runner reads from. */
function writeAt(memfd: number, content: Uint8Array, offset: number): void {
  let written = 0;
  while (written < content.length) {
    written += writeSync(memfd, content, written, content.length - written, offset + written);
  }
}

/**
 * A pipe's end for writing that reads as well (fifo(7)): whoever holds it never gets SIGPIPE. What has been
 * let go on has to become the task even where this process dies meanwhile.
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
