/** The tasks of a capture, moved to allocations of the test. */
import { readFileSync, writeFileSync } from "node:fs";
import { entryOfName } from "../../../src/effects/users/passwd.ts";
import type { TaskConfig } from "../../../src/grpc/generated/nomad/driver.ts";
import { decodeMsgpack, encodeMsgpack } from "../../../src/grpc/options.ts";
import { type Allocation, makeAllocation } from "./allocation.ts";

interface CapturedTask {
  readonly allocation: Allocation;
  readonly script: string;
  /** Number of signals sent to the task so far. */
  signals: number;
}

export class CapturedTasks {
  readonly #allocations = new Map<string, Allocation>();
  readonly #tasks = new Map<string, CapturedTask>();

  /** The config as an agent on this machine would send it. */
  moved(config: TaskConfig): TaskConfig {
    const allocation = this.#allocationOf(config);
    const options = decodeMsgpack(config.msgpackDriverConfig) as { args?: string[] };
    const folders: [string, string][] = [
      [config.env.get("NOMAD_ALLOC_DIR") ?? "", `${allocation.folder}/alloc`],
      [(config.env.get("NOMAD_TASK_DIR") ?? "").replace(/\/local$/, ""), allocation.taskFolder],
      // This port may be in use here.
      ["25546", "0"],
    ];
    const move = (text: string) => folders.reduce((moved, [from, to]) => moved.replaceAll(from, to), text);
    const args = options.args?.map(move) ?? [];
    this.#tasks.set(config.id, { allocation, script: args.join(" "), signals: 0 });
    const { stdoutPath, stderrPath, allocDir, resources } = allocation.config("");
    const logged = config.stdoutPath !== "/dev/null";
    return {
      ...config,
      msgpackDriverConfig: encodeMsgpack({ ...options, args }),
      env: new Map([...config.env].map(([name, value]) => [name, move(value)])),
      allocDir,
      resources,
      ...(logged ? { stdoutPath, stderrPath } : {}),
    };
  }

  allocation(taskId: string): Allocation {
    return this.#task(taskId).allocation;
  }

  /**
   * Resolves once the task has printed that it is up, and a line for each earlier signal. A signal that is
   * sent before then could be lost.
   */
  async readyForSignal(taskId: string): Promise<void> {
    const task = this.#task(taskId);
    if (task.script.includes("echo")) await task.allocation.stdout.hasLines(1 + task.signals);
    // A signal between a shell's fork and its child's exec is lost in both processes.
    if (/; sleep \d+\s*$/.test(task.script)) await task.allocation.cgroup.runs("sleep");
    task.signals += 1;
  }

  /** If the task waits for the file `go`, creates the file, so that the task ends. */
  letGo(taskId: string): void {
    const { allocation, script } = this.#task(taskId);
    if (script.includes("$NOMAD_ALLOC_DIR/go")) writeFileSync(`${allocation.folder}/alloc/go`, "");
  }

  /** Repeats what happened on the recorded host while no plugin ran: one of the tasks ended. */
  async meanwhile(): Promise<void> {
    for (const [taskId, { script, allocation }] of this.#tasks) {
      if (!script.includes("exit 19")) continue;
      this.letGo(taskId);
      await allocation.cgroup.empty();
    }
  }

  get allocations(): Iterable<Allocation> {
    return this.#allocations.values();
  }

  #allocationOf({ allocId, name, user }: TaskConfig): Allocation {
    const key = `${allocId}/${name}`;
    const present = this.#allocations.get(key);
    if (present !== undefined) return present;
    const allocation = makeAllocation({ id: allocId, taskName: name, user: userNamed(user) });
    this.#allocations.set(key, allocation);
    return allocation;
  }

  #task(taskId: string): CapturedTask {
    const task = this.#tasks.get(taskId);
    if (task === undefined) throw new Error(`recorded without a start: ${taskId}`);
    return task;
  }
}

function userNamed(name: string) {
  const dynamic = Number(/^nomad-(\d+)$/.exec(name)?.[1]);
  if (dynamic > 0) return { name, uid: dynamic, gid: dynamic };
  const entry = entryOfName(readFileSync("/etc/passwd", "utf8"), name);
  if (entry === undefined) throw new Error(`not a user of this host: ${name}`);
  return entry;
}
