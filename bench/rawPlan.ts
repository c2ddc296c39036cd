/**
 * Runs the plan of an ordinary task's start without a plugin. The plan is assembled once, and passed to the
 * spawner repeatedly with the same root and cgroup, and with a new ruleset: init adds its rules to the ruleset, so
 * one for all rounds would grow, and each round would take longer. So a round's duration shows the kernel's work
 * alone. The rest of a start's duration is the work of the plugin and its client.
 */
import { closeSync, readSync, writeSync } from "node:fs";
import { join } from "node:path";
import { parsePluginOptions } from "../src/driver/options/pluginOptions.ts";
import { probeHost } from "../src/effects/host/hostFacts.ts";
import { MFD_CLOEXEC } from "../src/effects/kernel/constants.ts";
import { memfdCreate, pipe2 } from "../src/effects/kernel/libc.ts";
import { supportedArchitecture } from "../src/effects/kernel/systemCalls.ts";
import { addRules } from "../src/effects/landlock/rules.ts";
import { createRuleset } from "../src/effects/landlock/ruleset.ts";
import { placeVolumes, planEarly, planLate } from "../src/effects/launch/launchPlan.ts";
import { planSandbox } from "../src/effects/launch/sandbox.ts";
import { handOver } from "../src/effects/launch/spawner/spawner.ts";
import { assembleEarly, assembleLate } from "../src/effects/plan/assemble.ts";
import { LATE_OFFSET } from "../src/effects/plan/table.ts";
import { RootTemplates } from "../src/effects/root/rootTemplates.ts";
import { makeRunFiles } from "../src/effects/run/runFiles.ts";
import { knownPaths } from "../src/effects/unveil/knownPaths.ts";
import { requestOf } from "../src/grpc/convert/requests.ts";
import { settleTask } from "../src/grpc/options.ts";
import type { Allocation } from "../test/support/agent/allocation.ts";

/** A launch that was handed to the spawner. */
interface Begun {
  readonly output: number;
  readonly report: number;
}

export class RawPlan {
  readonly #table: Uint8Array;
  readonly #late: Uint8Array;
  /** Makes a ruleset with the job's own rules. */
  readonly #ruleset: () => number;
  readonly #mounts: number;
  readonly #roots: RootTemplates;

  private constructor(
    table: Uint8Array,
    late: Uint8Array,
    ruleset: () => number,
    mounts: number,
    roots: RootTemplates,
  ) {
    this.#table = table;
    this.#late = late;
    this.#ruleset = ruleset;
    this.#mounts = mounts;
    this.#roots = roots;
  }

  /**
   * @param folder a folder for the run's files and the runner
   * @param command options of a task that writes output
   */
  static async of(
    allocation: Allocation,
    folder: string,
    command: Readonly<Record<string, unknown>>,
  ): Promise<RawPlan> {
    const options = parsePluginOptions({});
    const config = allocation.config(command);
    const request = { ...requestOf(config), ...settleTask(config, options) };
    const facts = probeHost();
    const runFolder = join(folder, "raw");
    const services = {
      options,
      facts,
      roots: { problem: undefined },
      folder: { run: folder, newRunFolder: () => runFolder },
    };
    const sandbox = await planSandbox(request, services);
    const { landlockAbi } = facts;
    makeRunFiles(runFolder);
    const planned = planEarly(sandbox, placeVolumes(sandbox), {
      ...{ known: knownPaths(), landlockAbi },
      cgroup: request.resources.cgroup,
    });
    const { root, early, known } = planned;
    const addTo = (ruleset: number) => addRules(ruleset, sandbox.rules.entries, [], landlockAbi, known);
    const first = createRuleset(landlockAbi, request.options);
    const added = addTo(first);
    closeSync(first);
    const ruleset = () => {
      const made = createRuleset(landlockAbi, request.options);
      addTo(made);
      return made;
    };
    const roots = new RootTemplates(folder);
    const template = root && (await roots.hold(root.template));
    const late = planLate(sandbox, added.insideNamespace, planned, false);
    return new RawPlan(
      assembleEarly(early, supportedArchitecture()),
      assembleLate(late, supportedArchitecture()),
      ruleset,
      template?.namespace ?? roots.hostNamespace,
      roots,
    );
  }

  /** Milliseconds from the writing of the plan to the task's first byte. Blocks this process. */
  firstByte(): number {
    const ruleset = this.#ruleset();
    const begin = performance.now();
    const begun = this.#begin(ruleset);
    readSync(begun.output, new Uint8Array(1));
    const ms = performance.now() - begin;
    finish(begun);
    return ms;
  }

  /** @returns the number of starts per second */
  throughput(starts: number, atATime: number): number {
    const begin = performance.now();
    const underway: Begun[] = [];
    for (let started = 0; started < starts; started++) {
      if (underway.length === atATime) finish(underway.shift() as Begun);
      underway.push(this.#begin(this.#ruleset()));
    }
    for (const begun of underway) finish(begun);
    return (starts / (performance.now() - begin)) * 1_000;
  }

  [Symbol.dispose](): void {
    this.#roots[Symbol.dispose]();
  }

  /** @param ruleset is closed */
  #begin(ruleset: number): Begun {
    const plan = memfdCreate("exec2-plan", MFD_CLOEXEC);
    writeSync(plan, this.#table, 0, this.#table.length, 0);
    writeSync(plan, this.#late, 0, this.#late.length, LATE_OFFSET);
    const [output, report, release] = [pipe2(), pipe2(), pipe2()];
    const passed = { report: report.write, ruleset, releasePipe: release.read, plan };
    const { write } = output;
    const noLogger = { logRelease: write, stdoutRead: write, stderrRead: write, logFolder: write };
    handOver({ ...passed, ...noLogger, stdout: write, stderr: write, mounts: this.#mounts }, undefined);
    writeSync(release.write, "gg");
    for (const descriptor of [plan, ruleset, output.write, report.write, release.read, release.write])
      closeSync(descriptor);
    return { output: output.read, report: report.read };
  }
}

/** Waits for the end of the task's output. */
function finish({ output, report }: Begun): void {
  const rest = new Uint8Array(1024);
  while (readSync(output, rest) > 0);
  closeSync(output);
  closeSync(report);
}
