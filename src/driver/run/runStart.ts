/**
 * The start of a run, in this process: from the request, with its secrets, which nothing else keeps, to the running
 * program, or to the failure.
 */
import { type DriverError, messageOf } from "../../base/errors.ts";
import { type PreparedRun, prepareRun } from "../../effects/launch/prepare.ts";
import type { TaskRequest } from "../../effects/launch/taskRequest.ts";
import { logStartError } from "../../effects/logs/logPipes.ts";
import { startFailedEvent } from "../history/startEvents.ts";
import type { RunGround } from "../runPart.ts";
import type { DriverServices } from "../services.ts";
import { cleanUpRun } from "./runEnd.ts";
import { endOutput } from "./runOutput.ts";
import type { RunParts } from "./runParts.ts";

/** The stage of the start in this process. A run that was taken over stays at `none`. */
type Stage =
  | { readonly stage: "none" }
  | { readonly stage: "requested"; readonly request: TaskRequest; readonly claimUser: () => void }
  | { readonly stage: "prepared"; readonly request: TaskRequest; readonly prepared: PreparedRun }
  | { readonly stage: "launched"; readonly env: Environment }
  | { readonly stage: "failed"; readonly error: DriverError };

type Environment = Readonly<Record<string, string>>;

export class RunStart {
  readonly #ground: RunGround<DriverServices>;
  readonly #parts: RunParts;
  #stage: Stage = { stage: "none" };
  #preparing: Promise<void> = Promise.resolve();

  constructor(ground: RunGround<DriverServices>, parts: RunParts) {
    this.#ground = ground;
    this.#parts = parts;
  }

  /** @param claimUser claims the request's user for the task; if it throws, the start fails */
  request(request: TaskRequest, claimUser: () => void): void {
    this.#stage = { stage: "requested", request, claimUser };
  }

  /** Whether the program does not run yet. */
  get isUnderWay(): boolean {
    return "request" in this.#stage;
  }

  /** The environment that the task was started with, until {@link answered}. */
  get env(): Environment | undefined {
    return this.#stage.stage === "launched" ? this.#stage.env : undefined;
  }

  /** Why the start failed. */
  get failure(): DriverError | undefined {
    return this.#stage.stage === "failed" ? this.#stage.error : undefined;
  }

  /** Drops what is left of the request. */
  answered(): void {
    if (this.#stage.stage === "launched") this.#stage = { stage: "none" };
  }

  prepare(): Promise<void> {
    const preparing = this.#prepare();
    this.#preparing = preparing.catch(() => undefined);
    return preparing;
  }

  async #prepare(): Promise<void> {
    const requested = this.#stage;
    if (requested.stage !== "requested") return;
    const { request, claimUser } = requested;
    const { egress, denials } = this.#parts;
    claimUser();
    if (egress.limits(request.options)) await egress.resolve(request);
    // The start may have failed meanwhile.
    const isOver = () => this.#stage !== requested;
    if (isOver()) return;
    const prepared = await prepareRun(request, this.#ground.services(), egress);
    if (isOver()) return await prepared.undo();
    this.#stage = { stage: "prepared", request, prepared };
    denials.keepLog(prepared.lastLine);
    let recorded = false;
    try {
      recorded = await this.#ground.task.record("sandboxed", prepared.sandboxed);
    } finally {
      // If `sandboxed` is recorded, the machine later releases the run. Otherwise only this method can undo
      // the preparation.
      if (!recorded) await prepared.undo();
    }
  }

  async launch(): Promise<void> {
    if (this.#stage.stage !== "prepared") return;
    const { launch, env } = this.#stage.prepared;
    this.#parts.recorder.begin();
    this.#parts.observer.begin();
    const launched = await launch.release();
    this.#stage = { stage: "launched", env };
    const { bootId } = this.#ground.services().facts;
    await this.#ground.task.record("started", { ...launched, bootId });
  }

  /**
   * Undoes the start, and records why it failed.
   * @param onLate called with what cannot be undone
   * @returns whether the failure is recorded
   */
  async fail(error: DriverError, onLate: (message: string) => void): Promise<boolean> {
    const { task } = this.#ground;
    const start = this.#stage;
    const request = "request" in start ? start.request : undefined;
    if (request !== undefined) {
      const { stderrPath, allocDir, output } = request;
      logStartError(stderrPath, allocDir, error, output.to);
    }
    const cleanUp = async () => {
      // Only after a failure in the driver itself. Otherwise nothing of the launch is left.
      if (start.stage === "prepared") await start.prepared.undo();
      // The relay is in the task's cgroup.
      if (request?.output.to === "journald") await endOutput(task.snapshot.context);
      // The agent removes the cgroup as soon as it has the answer.
      await cleanUpRun(task.snapshot);
    };
    await cleanUp().catch((late: unknown) => onLate(messageOf(late)));
    this.#stage = { stage: "failed", error };
    return await task.record("startFailed", startFailedEvent(error)).catch(() => false);
  }

  /**
   * Gives up a start that is refused. Resolves once nothing of it is under way: what it prepares is in the cgroup of
   * the task, which the next start has, too.
   */
  async refuse(): Promise<void> {
    if (this.#stage.stage === "requested") this.#stage = { stage: "none" };
    this.#parts.egress.release();
    await this.#preparing;
  }

  /** Gives up a launch whose program does not run. */
  async abandon(): Promise<void> {
    const start = this.#stage;
    if (start.stage === "prepared") await start.prepared.launch.abandon();
    if ("request" in start) this.#stage = { stage: "none" };
  }
}
