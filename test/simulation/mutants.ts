/** Planted defects: each one is a fault that drivers have had, and the simulation has to find it. */
import type { TaskId } from "../../src/base/taskId.ts";
import { EventQueue } from "../../src/driver/history/eventQueue.ts";
import { Run } from "../../src/driver/run/run.ts";
import { TaskTable } from "../../src/driver/task/taskTable.ts";
import { deleteEntries, keysOf } from "../../src/effects/bpf/bpf.ts";
import { entryLayout } from "../../src/effects/egress/egressEntries.ts";
import type { EgressMaps } from "../../src/effects/egress/egressPrograms.ts";
import { livingStat } from "../../src/effects/processes/processIdentity.ts";
import type { ProcessIdentity } from "../../src/effects/processes/processStat.ts";
import { removeRunFiles } from "../../src/effects/run/runFiles.ts";
import type { EffectName, TaskSnapshot } from "../../src/machines/taskMachine.ts";
import { runFolderName, type StateFolder } from "../../src/store/folder/stateFolder.ts";
import { simulated } from "./simulated.ts";

export interface Mutant {
  readonly name: string;
  /** A history that shows the defect. Others are tried if it does not any more. */
  readonly seed: number;
  /** Plants the defect. @returns a function that removes it */
  plant(): () => void;
}

export const mutants: readonly Mutant[] = [
  {
    name: "an event becomes visible before its commit",
    seed: 1,
    plant: () =>
      replaceMethod(
        EventQueue.prototype,
        "append",
        (append) =>
          async function (this: EventQueue, ...given) {
            setImmediate(() => void append.apply(this, given).catch(() => undefined));
          },
      ),
  },
  { name: "the kill timer is lost", seed: 15, plant: () => withoutEffect("startKillTimer") },
  { name: "a run is never released", seed: 4, plant: () => withoutEffect("releaseRun") },
  {
    name: "a run that is taken over is not watched",
    seed: 3,
    plant: () => withoutEffect("watchExit", "recovered"),
  },
  {
    name: "a run's files are removed before its end is read",
    seed: 1,
    plant: () =>
      replaceFunction(
        "driver/run/runEnd.ts#exitOf",
        (exitOf) =>
          (snapshot: TaskSnapshot, ...rest: never[]) => {
            const folder = snapshot.context.sandbox?.runFolder;
            if (folder !== undefined) removeRunFiles(folder);
            return exitOf(snapshot as never, ...rest);
          },
      ),
  },
  {
    name: "a running task counts as a start that failed",
    seed: 2,
    plant: () => replaceFunction("effects/run/runFiles.ts#readRecordedTask", () => () => undefined),
  },
  {
    name: "the record of the task's end is not found",
    seed: 1,
    plant: () => replaceFunction("effects/run/runFiles.ts#readExitStatus", () => () => undefined),
  },
  {
    name: "a process is known by its pid alone",
    seed: 150,
    plant: () =>
      replaceFunction(
        "effects/processes/processIdentity.ts#isSameProcess",
        () =>
          ({ pid }: ProcessIdentity) =>
            livingStat(pid) !== undefined,
      ),
  },
  {
    name: "runs that an agent has forgotten go on",
    seed: 263,
    plant: () => replaceMethod(TaskTable.prototype, "markUnclaimed", () => () => undefined),
  },
  {
    name: "nothing is settled after a plugin's death",
    seed: 1,
    plant: () => replaceFunction("driver/recovery/reconcile.ts#reconcile", () => async () => new Map()),
  },
  {
    name: "a repeated start begins anew",
    seed: 2,
    plant: () => replaceFunction("driver/recovery/recovery.ts#repeatedStart", () => async () => undefined),
  },
  {
    name: "a repeated start has the folder of the first one, whose init may be late",
    seed: 77,
    plant: () =>
      replaceFunction("store/folder/stateFolder.ts#openStateFolder", (open) => async (...given: never[]) => {
        const folder = (await open(...given)) as StateFolder;
        const newRunFolder = (taskId: TaskId) => `${folder.run}/${runFolderName(taskId)}`;
        return { ...folder, newRunFolder };
      }),
  },
  {
    name: "an end is recorded before the run's processes are gone",
    seed: 1,
    plant: () => replaceFunction("driver/run/watch.ts#runEnded", () => async () => undefined),
  },
  {
    name: "what the kernel refuses once is not tried again",
    seed: 143,
    plant: () =>
      replaceFunction("driver/retry.ts#retrying", () => () => (attempt: () => unknown) => attempt()),
  },
  {
    name: "what runs of a dead plugin may reach is never given back",
    seed: 100_031,
    plant: () => replaceFunction("effects/egress/egressMaps.ts#sweep", () => () => undefined),
  },
  {
    name: "the rules of running tasks are swept when a plugin takes them over",
    seed: 100_077,
    plant: () =>
      replaceFunction("effects/egress/egressMaps.ts#sweep", () => ({ entries }: EgressMaps) => {
        deleteEntries(entries, keysOf(entries, entryLayout.bytes));
      }),
  },
  {
    name: "a run that the host does not let look for counts as gone",
    seed: 402,
    plant: () => replaceFunction("base/errors.ts#isShortage", () => () => false),
  },
];

type Callable = (...given: never[]) => unknown;

function replaceFunction(key: string, mutant: (real: Callable) => Callable): () => void {
  simulated.mutants.set(key, mutant);
  return () => simulated.mutants.delete(key);
}

function replaceMethod<Owner extends object, Name extends keyof Owner>(
  owner: Owner,
  name: Name,
  mutant: (real: Owner[Name]) => Owner[Name],
): () => void {
  const real = owner[name];
  owner[name] = mutant(real);
  return () => {
    owner[name] = real;
  };
}

/** @param state leaves the effect out in this state only */
function withoutEffect(effect: EffectName, state?: string): () => void {
  return replaceMethod(
    Run.prototype,
    "execute",
    (execute) =>
      async function (this: Run, action) {
        if (action.type !== effect) return execute.call(this, action);
        const at = (action.info as { readonly event?: { readonly type?: string } }).event?.type;
        if (state !== undefined && at !== state) return execute.call(this, action);
      },
  );
}
