/**
 * Rehearses starts while the plugin is idle: every step up to init's release, which never comes. V8 compiles
 * code when the code first runs. Without rehearsals, the first start of a plugin takes eight times as long as
 * a later start; with rehearsals, three times.
 */
import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { messageOf } from "../../base/errors.ts";
import { toTaskId } from "../../base/taskId.ts";
import { beginRun, type PreparingServices } from "../../effects/launch/prepare.ts";
import { planSandbox } from "../../effects/launch/sandbox.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { logDestination } from "../../effects/logs/options.ts";
import { parseTaskOptions } from "../../effects/parts.ts";
import { RootTemplates } from "../../effects/root/rootTemplates.ts";
import { idAt } from "../../effects/users/idRanges.ts";
import { initialSnapshot } from "../../machines/taskMachine.ts";
import { seal } from "../../store/logStore.ts";
import { fingerprintedEvent, requestedEvent } from "../history/startEvents.ts";
import { advance } from "../history/taskHistory.ts";
import type { DriverServices } from "../services.ts";

/** Milliseconds to wait after the plugin's configuration, and again after each RecoverTask of the agent. */
const idleMs = 500;
/** After ten rounds, later starts gain less from a further round than from a real start. */
const rounds = 10;
/** Milliseconds between two rounds, so that calls of the agent wait for at most one round. */
const pauseMs = 5;

export class Rehearsal {
  readonly #services: DriverServices;
  readonly #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;

  constructor(services: DriverServices) {
    this.#services = services;
    this.postpone();
  }

  /** Restarts the wait for an idle plugin, unless the rehearsal has begun. */
  postpone(): void {
    clearTimeout(this.#timer);
    if (this.#over.signal.aborted) return;
    this.#timer = setTimeout(() => {
      this.#running ??= this.#run();
    }, idleMs).unref();
  }

  /**
   * Ends the rehearsal, because a real start compiles the code itself. Resolves once nothing of the rehearsal
   * is left.
   */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.#over.signal.aborted) optimizeEarly();
    this.#over.abort("over");
    await this.#running;
  }

  async #run(): Promise<void> {
    const { log, folder } = this.#services;
    const ownFolder = join(folder.run, "rehearsal");
    optimizeEarly();
    try {
      for (const name of ["alloc/logs", "task/local", "task/secrets", "task/tmp"])
        mkdirSync(join(ownFolder, name), { recursive: true });
      await this.#rehearseIn(ownFolder);
    } catch (thrown) {
      // A failed rehearsal has no consequences. If starts fail, the first real start reports it.
      if (!this.#over.signal.aborted)
        log.debug("starts could not be rehearsed", { error: messageOf(thrown) });
    }
    await rm(ownFolder, { recursive: true, force: true }).catch(() => undefined);
  }

  async #rehearseIn(ownFolder: string): Promise<void> {
    const { run } = this.#services.folder;
    // The rehearsal has templates of its own. Tasks could not use these templates, because they have their
    // folders elsewhere.
    using roots = new RootTemplates(run);
    const folder = { run, newRunFolder: () => join(run, "rehearsed") };
    for (let round = 0; round < rounds; round += 1) {
      await rehearse(ownFolder, { ...this.#services, roots, folder });
      await delay(pauseMs, undefined, { ref: false, signal: this.#over.signal });
    }
  }
}

async function rehearse(
  folder: string,
  services: PreparingServices & Pick<DriverServices, "facts">,
): Promise<void> {
  const request = requestIn(folder, services);
  const sandbox = await planSandbox(request, services);
  // A rehearsal has no cgroup of its own: its init stays in this process's cgroup.
  const { sandboxed, undo } = await beginRun(sandbox, services);
  try {
    const plugin = { pid: process.pid, version: "" };
    const { events } = advance(initialSnapshot, [
      { type: "requested", time: 0, data: requestedEvent(request, "", plugin) },
      { type: "fingerprinted", time: 0, data: fingerprintedEvent(services.facts) },
      { type: "sandboxed", time: 0, data: await sandboxed([], 0) },
    ]);
    for (const event of events) seal(event);
  } finally {
    await undo();
  }
}

/** The request of an ordinary task, with folders that belong to no allocation. */
function requestIn(folder: string, { options }: PreparingServices): TaskRequest {
  const taskOptions = parseTaskOptions({ command: "/bin/sh" }, options);
  const isOwn = options.logCollection !== "agent";
  const pipeOf = (stream: string) => (isOwn ? `${folder}/alloc/logs/.task.${stream}.fifo` : "/dev/null");
  const output = { stdoutPath: pipeOf("stdout"), stderrPath: pipeOf("stderr") };
  return {
    taskId: toTaskId("rehearsal"),
    taskName: "task",
    allocId: "rehearsal",
    groupName: "",
    allocIndex: null,
    jobId: "",
    jobName: "",
    namespace: "",
    nodeId: "",
    nodeName: "",
    options: taskOptions,
    env: {
      NOMAD_TASK_DIR: `${folder}/task/local`,
      NOMAD_ALLOC_DIR: `${folder}/alloc`,
      NOMAD_SECRETS_DIR: `${folder}/task/secrets`,
    },
    user: `nomad-${idAt(options.dynamicUserIds, 0) ?? 0}`,
    allocDir: folder,
    ...logDestination({ taskName: "task", jobId: "", allocDir: folder, ...output }, taskOptions, options),
    resources: { cpuMhz: 100, memoryMb: 64, memoryMaxMb: 0, cpusetCpus: "", cgroup: "" },
    network: { mode: "host", path: "", self: undefined },
    mounts: [],
    devices: [],
    dns: undefined,
  };
}

/**
 * Makes V8 optimize the code of a start sooner. A start runs much code, but each piece only once, so V8 would
 * optimize the code only after about a hundred starts. With these flags, about ten starts are enough. A start
 * then takes half a millisecond less.
 *
 * With other flags than those of the build, V8 discards code caches. As arguments of the process, the flags would
 * make each launch take 15 ms longer; so they are set once the plugin is idle, or with the first start.
 */
function optimizeEarly(): void {
  setFlagsFromString("--invocation-count-for-maglev=40");
  setFlagsFromString("--minimum-invocations-after-ic-update=50");
}
