/**
 * Sends the recorded requests of an agent to the real plugin in the recorded order. Awaits each answer at the
 * point where the recorded call ended. Nothing depends on the recorded times.
 */
import type { ClientReadableStream } from "@grpc/grpc-js";
import type { SetConfigRequest } from "../../../src/grpc/generated/nomad/base.ts";
import {
  type ExitResult,
  type RecoverTaskRequest,
  type StartTaskRequest,
  type StartTaskResponse,
  type TaskHandle,
  TaskState,
  type WaitTaskResponse,
} from "../../../src/grpc/generated/nomad/driver.ts";
import { decodeMsgpack, encodeMsgpack } from "../../../src/grpc/options.ts";
import { type StartedPlugin, startPlugin } from "../plugin/startPlugin.ts";
import { newStateDir } from "./agent.ts";
import { CapturedTasks } from "./capturedTasks.ts";
import { type CapturedStep, capturedSteps } from "./captures.ts";
import { prepareStart } from "./taskClient.ts";

type Call = ClientReadableStream<unknown> | Promise<unknown>;
type Method = (request: unknown) => Call;

export class CaptureReplay {
  readonly stateDir = newStateDir();
  readonly tasks = new CapturedTasks();
  /** The ends of tasks, as the last WaitTask returned them, by the last eight digits of the task's id. */
  readonly ends: Record<string, ExitResult> = {};
  readonly #capture: string;
  readonly #outliving: Readonly<Record<string, string>>;
  readonly #handles = new Map<string, TaskHandle>();
  readonly #calls = new Map<string, { readonly step: CapturedStep; readonly call: Call }>();
  readonly #outlived: Promise<void>[] = [];
  #plugin: StartedPlugin | undefined;

  /**
   * @param outliving runs that are still alive although the recorded driver had lost them, with the last
   * output of each
   */
  constructor(capture: string, outliving: Readonly<Record<string, string>> = {}) {
    this.#capture = capture;
    this.#outliving = outliving;
  }

  async run(): Promise<void> {
    for (const step of capturedSteps(this.#capture)) {
      if (step.dir === "launch") await this.#launch();
      if (step.dir === "request") await this.#send(step);
      if (step.dir === "end") await this.#end(step);
      // The recorded driver died with its agent. This driver keeps running until the next launch ends it.
      if (step.dir === "exit" && !step.killed) await this.#plugin?.exited;
    }
    await Promise.all(this.#outlived);
  }

  get plugin(): StartedPlugin {
    if (this.#plugin === undefined) throw new Error("recorded without a launch");
    return this.#plugin;
  }

  /** At a second launch the first plugin has ended already, or is killed now. */
  async #launch(): Promise<void> {
    if (this.#plugin !== undefined) {
      if (await isRunning(this.#plugin)) process.kill(this.#plugin.pid, "SIGKILL");
      await this.#plugin.exited;
      this.#plugin.disconnect();
      await this.tasks.meanwhile();
    }
    this.#plugin = await startPlugin();
  }

  async #send(step: CapturedStep): Promise<void> {
    const { taskId } = step.request as { taskId?: string };
    if (isMethod(step, "StopTask") || isMethod(step, "SignalTask")) {
      await this.tasks.readyForSignal(taskId as string);
    }
    const call = this.#method(step.path)(await this.#moved(step));
    if (call instanceof Promise) call.catch(() => undefined);
    else call.on("data", () => undefined).on("error", () => undefined);
    this.#calls.set(keyOf(step), { step, call });
  }

  async #end(step: CapturedStep): Promise<void> {
    const sent = this.#calls.get(keyOf(step));
    if (sent === undefined) return;
    if (!(sent.call instanceof Promise)) return sent.call.cancel();
    if (isMethod(step, "StartTask")) return this.#keepHandle((await sent.call) as StartTaskResponse);
    // Nothing is expected for calls that failed in the recording, or that ended with the recorded driver.
    if (!step.succeeded) return;
    if (isMethod(step, "WaitTask")) await this.#endOfWait(sent);
    else await sent.call;
  }

  async #endOfWait({ step, call }: { step: CapturedStep; call: Call }): Promise<void> {
    const { taskId } = step.request as { taskId: string };
    const short = taskId.slice(-8);
    const answered = (call as Promise<WaitTaskResponse>).then(({ result }) => {
      if (result !== undefined) this.ends[short] = result;
    });
    const lastWords = this.#outliving[short];
    if (lastWords !== undefined) {
      await this.tasks.allocation(taskId).stdout.contains(lastWords);
      const { task } = await this.plugin.driver.inspectTask({ taskId });
      if (task?.state !== TaskState.RUNNING) throw new Error(`${taskId} has ended`);
      this.#outlived.push(answered);
      return;
    }
    this.tasks.letGo(taskId);
    await answered;
  }

  #keepHandle({ handle }: StartTaskResponse): void {
    if (handle?.config === undefined) throw new Error("a start without a handle");
    this.#handles.set(handle.config.id, handle);
  }

  async #moved(step: CapturedStep): Promise<unknown> {
    if (isMethod(step, "SetConfig")) {
      const request = step.request as SetConfigRequest;
      const options = decodeMsgpack(request.msgpackConfig) as Record<string, unknown>;
      // The recorded host had the file that these options name.
      const moved = { ...options, unveil_paths: ["r:/etc/hostname"], state_dir: this.stateDir };
      return { ...request, msgpackConfig: encodeMsgpack(moved) };
    }
    if (isMethod(step, "StartTask")) {
      const { task } = step.request as StartTaskRequest;
      return { task: task && (await prepareStart(this.plugin.driver, this.tasks.moved(task))) };
    }
    if (isMethod(step, "RecoverTask")) return this.#recovery(step.request as RecoverTaskRequest);
    return step.request;
  }

  /**
   * A recovery with the handle from this plugin. Fields that the recorded agent had lost are missing here,
   * too.
   */
  #recovery({ taskId, handle: recorded }: RecoverTaskRequest): RecoverTaskRequest {
    const handle = this.#handles.get(recorded?.config?.id ?? "");
    if (handle?.config === undefined) throw new Error("recovered without a start");
    const lost = recorded?.config?.msgpackDriverConfig.length === 0;
    const msgpackDriverConfig = lost ? Buffer.alloc(0) : handle.config.msgpackDriverConfig;
    return { taskId, handle: { ...handle, config: { ...handle.config, msgpackDriverConfig } } };
  }

  #method(path: string): Method {
    const [, service = "", method = ""] = /^\/(.+)\/(.+)$/.exec(path) ?? [];
    const name = services[service.slice(service.lastIndexOf(".") + 1)];
    const callers = name && (this.plugin[name] as unknown as Record<string, Method>);
    const call = callers?.[method.charAt(0).toLowerCase() + method.slice(1)];
    if (call === undefined) throw new Error(`not served: ${path}`);
    return call;
  }
}

const services: Readonly<Record<string, "base" | "driver" | "controller" | "health">> = {
  BasePlugin: "base",
  Driver: "driver",
  GRPCController: "controller",
  Health: "health",
};

function isMethod({ path }: CapturedStep, name: string): boolean {
  return path.endsWith(`/${name}`);
}

function keyOf({ launch, call }: CapturedStep): string {
  return `${launch}/${call}`;
}

async function isRunning({ exited }: StartedPlugin): Promise<boolean> {
  return (await Promise.race([exited, Promise.resolve("running")])) === "running";
}
