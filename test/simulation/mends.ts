/**
 * Defects that simulated histories have found and that are mended, each with a seed whose history shows it. The
 * mend can be taken out again, so that a seed is known to show its defect still: a change of the simulation or of
 * the driver makes other histories from the same seeds. Pure.
 */

/** Text of a module of the driver that is replaced when the module is loaded. */
export interface Edit {
  /** Below src/. */
  readonly file: string;
  /** Occurs once in the file. */
  readonly text: string;
  readonly by: string;
}

/** The history fails without the mend, and holds with it. */
type History =
  | { readonly seed: number; readonly refused?: undefined }
  /** The scripted history in which one host call is refused: which of the calls of this name, with which errno. */
  | { readonly seed?: undefined; readonly refused: readonly [call: string, nth: number, errno: string] }
  /** None is known since the driver or the simulation has changed: `--without` looks for one. */
  | { readonly seed: undefined; readonly refused?: undefined };

export type Mend = History & {
  /** What holds since the mend. */
  readonly title: string;
  /** What the failing history says. */
  readonly shows: RegExp;
  /** Takes the mend out. */
  readonly without: readonly Edit[];
};

export const mends: readonly Mend[] = [
  {
    title: "the folder of a start that was never stored is removed although its init recorded an end",
    seed: 1,
    shows: /is left/,
    without: [
      {
        file: "driver/recovery/reconcile.ts",
        text: "wasReleased(status) && readExitStatus",
        by: "readExitStatus",
      },
    ],
  },
  {
    title: "a task does not run twice if its agent dies during a start and its plugin does not",
    seed: 137,
    shows: /runs while/,
    without: [
      {
        file: "driver/task/taskTable.ts",
        text: "await Promise.all(earlierStarts.map(([, over]) => over));",
        by: "",
      },
    ],
  },
  {
    title: "an end is told although the host refuses to read its record for some time",
    seed: 1760,
    shows: /never done/,
    without: [
      {
        file: "driver/run/ending.ts",
        text: "await retry(() => exitOf(task.snapshot, unrecorded), isMaxAttempts)",
        by: "exitOf(task.snapshot, unrecorded)",
      },
    ],
  },
  {
    title: "a start that fails, and cannot be undone at once, names the errno of its failure",
    seed: 411,
    shows: /StartTask fails/,
    without: [
      {
        file: "base/errors.ts",
        text: "if (thrown instanceof SuppressedError) return DriverError.from(",
        by: "if (false) return DriverError.from(",
      },
      {
        file: "base/errors.ts",
        text: "if (thrown instanceof SuppressedError) return messageOf(",
        by: "if (false) return messageOf(",
      },
    ],
  },
  {
    title: "a start that is repeated after a failure, and fails again, is answered",
    seed: 489,
    shows: /never done/,
    without: [
      {
        file: "driver/run/run.ts",
        text: "if (!this.#start.isUnderWay && (isAlive(task.state) || isOver(task.state)))",
        by: "if (isAlive(task.state) || isOver(task.state))",
      },
    ],
  },
  {
    title: "a task is not called destroyed that the next plugin could not look for",
    seed: 402,
    shows: /is destroyed, but/,
    without: [
      { file: "driver/recovery/reconcile.ts", text: "if (!isShortage(thrown)) continue;", by: "continue;" },
    ],
  },
  {
    title: "the folder of a run is removed if its files cannot be made",
    seed: 212,
    shows: /is left/,
    without: [{ file: "effects/run/runFiles.ts", text: "undo.defer(() => removeRunFiles(folder));", by: "" }],
  },
  {
    title: "a task that ends before its start is committed keeps its denials",
    seed: 10104,
    shows: /of its denials are in the log/,
    without: [
      {
        file: "effects/denials/denialTracker.ts",
        text: "if (stranger !== undefined) stranger.ended = end;",
        by: "if (stranger !== undefined) this.#forget(domain);",
      },
    ],
  },
  {
    title:
      "a log that was opened by an attempt to begin to work that failed is closed before the next attempt",
    seed: 1985,
    shows: /is damaged|nobody catches/,
    without: [
      { file: "driver/opening/openServices.ts", text: "undo.defer(() => store.close());", by: "" },
      { file: "driver/opening/openServices.ts", text: "undo.defer(() => unsaved.stop());", by: "" },
    ],
  },
  {
    title:
      "a logger's record that cannot be read for a moment neither ends the plugin nor the watch of the run",
    seed: 10188,
    shows: /nobody catches|never done/,
    without: [
      {
        file: "driver/run/runOutput.ts",
        text: "catch {\n      // The host is short of something. The next change",
        by: "catch (thrown) {\n      throw thrown; // The host is short of something. The next change",
      },
    ],
  },
  {
    title: "a repeated start that the log refuses does not replace the failure of the first one",
    seed: 690878364,
    shows: /replayed fingerprinted/,
    without: [
      { file: "driver/history/eventQueue.ts", text: "[...this.#earlier, ...events]", by: "[...events]" },
      { file: "driver/task/task.ts", text: "hasEvents && result.accepted ?", by: "hasEvents ?" },
    ],
  },
  {
    title: "a task gets its denials although the record of its domain was dropped and it has ended",
    seed: 690881950,
    shows: /of its denials are in the log/,
    without: [
      {
        file: "effects/denials/denialTracker.ts",
        text: "else stranger.member = { pid: caller.pid, uid: caller.uid, timeMs };",
        by: "",
      },
    ],
  },
  {
    title: "late denials of a run that has just ended are not the earlier run's of its user",
    seed: 1815664508,
    shows: /not the task|of its denials are in the log/,
    without: [
      {
        file: "driver/denials/nodeDenials.ts",
        text: "run.uid === uid && isDynamicUser(run.user) && timeMs <= endedMs,",
        by: "run.uid === uid && isDynamicUser(run.user) && timeMs <= endedMs + clockSlackMs,",
      },
    ],
  },
  {
    title: "denials of a process are not those of the run that had its pid a moment before",
    seed: undefined,
    shows: /not the task/,
    without: [
      {
        file: "driver/denials/nodeDenials.ts",
        text: "this.tracker.endProcesses(run, atMs);",
        by: "",
      },
    ],
  },
  {
    title: "a task is not rebuilt from its handle because the host refuses a look at its end",
    seed: undefined,
    shows: /replayed sandboxed/,
    without: [
      {
        file: "driver/recovery/recovery.ts",
        text: '!(thrown instanceof DriverError && thrown.code === "STORE_FAILED")',
        by: 'thrown instanceof DriverError && thrown.code === "KERNEL_CALL_FAILED"',
      },
    ],
  },
  {
    title: "output is not called cut because the host refuses a look at its logger",
    seed: 690887074,
    shows: /bytes of output are told/,
    without: [
      {
        file: "driver/run/runOutput.ts",
        text: 'if (hasErrno(thrown, "ENOENT")) return true;\n    throw thrown;',
        by: "void thrown;\n    return true;",
      },
    ],
  },
  {
    title: "a plugin that has handed its folder over writes no line into the next run's log",
    seed: 690882049,
    shows: /bytes of output are told/,
    without: [
      {
        file: "driver/driver.ts",
        text: "for (const { run } of this.#tasks.all) run.leave();",
        by: "",
      },
    ],
  },
  {
    title: "a connection that is refused before the start is recorded is in the log",
    seed: 100144,
    shows: /of its denials are in the log/,
    without: [
      {
        file: "driver/denials/runDenials.ts",
        text: 'if (!(await this.#task.record("denied", taken))) this.#tally?.giveBack(taken);',
        by: 'await this.#task.record("denied", taken);',
      },
    ],
  },
  {
    title: "a filtered call that is known before the start is recorded is in the log",
    seed: 204184,
    shows: /of its denials are in the log/,
    without: [
      {
        file: "effects/denials/denialTracker.ts",
        text: "event.filtered.filter((record) => !this.#filtered(record, record))",
        by: "event.filtered",
      },
    ],
  },
  {
    title: "what a run was refused that an earlier plugin has limited is not counted for the next run",
    seed: 205763,
    shows: /was denied .*, not the task/,
    without: [
      {
        file: "effects/egress/egressControl.ts",
        text: "if (confined?.loaded !== loaded) continue;",
        by: "if (confined === undefined) continue;",
      },
    ],
  },
  {
    title: "a start that is refused takes nothing from the next one, which has its cgroup",
    seed: 206068,
    shows: /does not reach/,
    without: [
      { file: "driver/task/taskTable.ts", text: "else await task.run.refused();", by: "" },
      { file: "driver/run/runStart.ts", text: "this.#stage !== requested", by: "false" },
      {
        file: "driver/egress/runEgress.ts",
        text: "Promise.race([tried(this.#watched), this.#begun.promise])",
        by: "tried(this.#watched)",
      },
    ],
  },
  {
    title: "what a hosts file names stays in force until the file has the new addresses",
    seed: 200579,
    shows: /does not reach/,
    without: [
      {
        file: "driver/egress/runEgress.ts",
        text: "if (isResolved) return this.#withReadable({ name, addresses: [...addresses], problem });",
        by: "if (isResolved) return { name, addresses: [...addresses], problem };",
      },
    ],
  },
  {
    title: "a task that is taken over reaches what stands in its hosts file",
    seed: undefined,
    shows: /does not reach/,
    without: [
      {
        file: "driver/egress/runEgress.ts",
        text: "      this.#inForce = undefined;",
        by: "      this.#inForce = this.#recorded;",
      },
    ],
  },
  {
    title: "rules in the maps of an earlier plugin are given back",
    seed: 100028,
    shows: /sets that no run has/,
    without: [
      {
        file: "effects/egress/egressControl.ts",
        text: "new RuleSets(maps.entries, isOwn)",
        by: "new RuleSets(maps.entries, true)",
      },
    ],
  },
  {
    title: "a start that cannot be limited leaves no limits",
    seed: 300007276,
    shows: /has limits of runs that are over/,
    without: [
      {
        file: "effects/egress/egressControl.ts",
        text: "undo.defer(() => loaded.cgroups.end(id));",
        by: "",
      },
      {
        file: "effects/egress/egressControl.ts",
        text: "undo.defer(() => loaded.cgroups.forget(id));",
        by: "",
      },
    ],
  },
  {
    title: "the limits of a run are gone after its end although the kernel is short of memory",
    seed: 202270,
    shows: /has limits of runs that are over/,
    without: [
      {
        file: "effects/egress/egressMaps.ts",
        text: "    } finally {\n      this.forget(cgroup);\n    }",
        by: "    } finally {\n    }\n    this.forget(cgroup);",
      },
    ],
  },
  {
    title: "a change of egress that a plugin recorded and did not live to put in force is in force",
    seed: 302951,
    shows: /reach/,
    without: [
      {
        file: "driver/egress/runEgress.ts",
        text: "if (this.#confined.changes < history.changes) {",
        by: "if (false) {",
      },
    ],
  },
  {
    title: "a change of egress of a task that is over is answered",
    seed: 100147,
    shows: /never done: ChangeEgress/,
    without: [
      {
        file: "driver/egress/runEgress.ts",
        text: "if (!isOver()) await",
        by: "await",
      },
    ],
  },
  {
    title: "a task is killed although the host is short of descriptors for a moment",
    refused: ["pidfd_open", 8, "EMFILE"],
    shows: /TASK_STILL_RUNNING/,
    without: [
      {
        file: "driver/run/runStop.ts",
        text: "await retry(() => killTask(process.task), isOverAlready)",
        by: "killTask(process.task)",
      },
      {
        file: "driver/run/runStop.ts",
        text: ".then(() => retry(() => killInit(process.init), isOverAlready))",
        by: ".then(() => killInit(process.init))",
      },
    ],
  },
];
