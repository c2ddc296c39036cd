/** Drives a task through its life as an agent does, while its plugin is killed. */
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import type { TaskHandle, WaitTaskResponse } from "../../src/grpc/generated/nomad/driver.ts";
import { errorOfCall } from "../../src/grpc/status.ts";
import type { Allocation } from "../support/agent/allocation.ts";
import { killIfAlive, loggersIn, loggersOf } from "../support/agent/loggers.ts";
import { readLog } from "../support/agent/logReader.ts";
import { prepareStart } from "../support/agent/taskClient.ts";
import type { Journal } from "../support/host/journal.ts";
import { until } from "../support/host/until.ts";
import { type CrashAgent, type DriverCalls, PluginDied } from "./crashAgent.ts";
import type { LifePlan } from "./roundPlan.ts";

/** An event that the log must have from now on, since the agent has learned of it. */
export interface Promised {
  readonly taskId: string;
  /** The log must have one of these types. The task may have ended before the agent's request. */
  readonly types: readonly string[];
  readonly data?: object;
}

/** Lines that every task writes first: more than a pipe holds. */
const firstLines = 3_000;
/** Lines of a task that goes on writing. */
const allLines = 6_000;

/**
 * What every task does first. It leaves a mark for each of its runs. It leaves another mark if an earlier run
 * of the task has not ended yet, which it detects because all processes of a run hold a lock. It writes
 * numbered lines with its id.
 */
const beginning = [
  "cd $NOMAD_TASK_DIR; exec 9>lock",
  "flock -n 9 || echo $$ >> overlaps",
  "echo $1 >> runs",
  `seq -f "$1 %g." 1 ${firstLines}`,
].join("; ");

const scripts: Readonly<Record<LifePlan["task"], (exitCode: number) => string>> = {
  ends: (code) => `exit ${code}`,
  lingers: (code) => `sleep 1000 & setsid sleep 1000 & sleep 0.05; exit ${code}`,
  // On a busy machine, its logger may be killed later than others would have ended.
  writes: (code) =>
    `sleep 0.2; [ "$2" = waits ] && until [ -e go ]; do sleep 0.02; done; seq -f "$1 %g." ${firstLines + 1} ${allLines}; exit ${code}`,
  obeys: (code) => `trap 'exit ${code}' TERM; trap '' USR1; while :; do sleep 1000 & wait; done`,
  resists: () => "trap '' TERM; while :; do sleep 1000; done",
  sleeps: () => "exec sleep 1000",
};

export class TaskLife {
  readonly plan: LifePlan;
  readonly allocation: Allocation;
  /** What the agent has learned. */
  readonly promised: Promised[] = [];
  readonly #agent: CrashAgent;
  readonly #marker: string;
  #taskId = "";
  #handle: TaskHandle | undefined;
  /**
   * Recoveries, by the launch of the plugin that got the call. The plugin that started the task needs none.
   */
  readonly #recoveries = new Map<number, Promise<unknown>>();

  /** @param marker an argument of the task that distinguishes it from all others */
  constructor(plan: LifePlan, agent: CrashAgent, allocation: Allocation, marker: string) {
    this.plan = plan;
    this.allocation = allocation;
    this.#agent = agent;
    this.#marker = marker;
  }

  /** What the agent does with the task at the moment. */
  doing = "starts";

  get taskId(): string {
    return this.#taskId;
  }

  /** Runs until the task ends, or until the plan leaves it running. */
  async live(): Promise<void> {
    await this.#start();
    this.doing = "waits";
    const ended = this.#wait();
    ended.catch(() => undefined);
    // The round may be over before there is one.
    void this.#killLogger().catch(() => undefined);
    await delay(this.plan.afterMs);
    this.doing = this.plan.agent;
    await this.#act();
    this.doing = "waits";
    if (this.plan.agent === "leaves") return;
    // The agent destroyed the running task. Its WaitTask returns the end, or the error that the task is
    // unknown.
    if (this.plan.agent === "destroys") return void (await ended.catch(tolerateForgotten));
    const { result, err } = await ended;
    this.allocation.cgroup.removeAsAgent();
    this.#checkRuns();
    await this.#checkOutput();
    // The error of a task that failed says why.
    if (result === undefined || (err !== "" && result.exitCode === 0))
      throw new Error(`${this.taskId}: WaitTask says: ${err}`);
    if (!this.#possibleCodes().includes(result.exitCode)) {
      throw new Error(`${this.taskId}: exited with ${result.exitCode}, not ${this.#possibleCodes()}`);
    }
    await this.destroy();
  }

  /** The task's state and pid, as the plugin reports them. */
  async inspect(): Promise<{ state: string; pid: number }> {
    const { driver } = await this.#insist((calls) => calls.inspectTask({ taskId: this.#taskId }));
    const { attributes = new Map() } = driver ?? {};
    return { state: attributes.get("state") ?? "", pid: Number(attributes.get("pid")) };
  }

  async destroy(): Promise<void> {
    this.doing = "destroys";
    await this.#insist((calls) => calls.destroyTask({ taskId: this.#taskId, force: true }));
    this.#promise(["destroyed"]);
    this.doing = "nothing more";
  }

  /**
   * Starts the task. If the plugin dies before its answer, this method sends the same request again, unless
   * the agent dies, too.
   */
  async #start(): Promise<void> {
    let config = this.#config();
    for (;;) {
      this.#taskId = config.id;
      try {
        const task = await this.#agent.insist((calls) => prepareStart(calls, config));
        const { handle } = await this.#agent.ask((calls, launch) => {
          this.#recoveries.clear();
          this.#recoveries.set(launch, Promise.resolve());
          return calls.startTask({ task });
        });
        this.#handle = handle;
        this.#promise(["started"]);
        return;
      } catch (thrown) {
        const refused = isDiskFull(thrown);
        if (!(thrown instanceof PluginDied) && !refused) throw thrown;
        // A start that failed is repeated after a while.
        if (refused) await delay(50);
        if (this.plan.forgets || refused) config = this.#config();
      }
    }
  }

  async #wait(): Promise<WaitTaskResponse> {
    const taskId = this.#taskId;
    const answer = await this.#insist((calls) => calls.waitTask({ taskId }));
    const { exitCode, signal } = answer.result ?? {};
    this.#promise(["exited"], { exitCode, signal });
    return answer;
  }

  async #act(): Promise<void> {
    const taskId = this.#taskId;
    const { agent, task } = this.plan;
    if (agent === "signals") {
      await this.#insist((calls) => calls.signalTask({ taskId, signal: "SIGUSR1" }))
        .then(() => this.#promise(["signalled"]))
        .catch(tolerateEnded);
    }
    if (agent === "stops" || agent === "signals") {
      const timeout = task === "resists" ? { seconds: 0, nanos: 20e6 } : { seconds: 600, nanos: 0 };
      await this.#insist((calls) => calls.stopTask({ taskId, timeout, signal: "SIGTERM" }));
      this.#promise(["stopRequested", "exited"]);
    }
    if (agent === "destroys") await this.destroy();
  }

  #possibleCodes(): number[] {
    const { task, agent, exitCode } = this.plan;
    const terminated = 128 + 15;
    const killed = 128 + 9;
    if (agent === "waits") return [exitCode];
    // A signal may arrive before the task has set its traps.
    if (agent === "signals") return [exitCode, terminated, 128 + 10];
    return task === "resists" ? [killed, terminated] : [exitCode, terminated];
  }

  /** Repeats the call until a plugin answers it. Every new plugin must recover the task first. */
  #insist<T>(call: (calls: DriverCalls) => Promise<T>): Promise<T> {
    return this.#agent.insist(async (calls, launch) => {
      const handle = this.#handle;
      const recovery = this.#recoveries.get(launch) ?? calls.recoverTask({ taskId: "", handle });
      this.#recoveries.set(launch, recovery);
      await recovery;
      this.#promise(["started"]);
      return call(calls);
    });
  }

  /** @throws Error if a start ran twice, or two runs of the task ran at the same time */
  #checkRuns(): void {
    const folder = `${this.allocation.taskFolder}/local`;
    if (existsSync(`${folder}/overlaps`)) throw new Error(`${this.taskId}: two of its runs existed at once`);
    const runs = existsSync(`${folder}/runs`)
      ? readFileSync(`${folder}/runs`, "utf8").trim().split("\n")
      : [];
    if (new Set(runs).size < runs.length) throw new Error(`${this.taskId}: a start ran twice: ${runs}`);
    // Other tasks may be stopped before their script begins.
    if (this.plan.agent === "waits" && !runs.includes(this.#taskId))
      throw new Error(`${this.taskId} has not run: ${runs}`);
  }

  async #killLogger(): Promise<void> {
    const { loggerDiesMs } = this.plan;
    if (loggerDiesMs === undefined) return;
    await delay(loggerDiesMs);
    // It has its name a little after the start, for which a task waits that goes on writing.
    const mayWait = this.plan.task === "writes" && this.#agent.logs !== "agent";
    let loggers = this.#loggers;
    while (mayWait && loggers.length === 0 && existsSync(this.#logFolder)) {
      await delay(10);
      loggers = this.#loggers;
    }
    for (const pid of loggers) killIfAlive(pid);
    writeFileSync(`${this.allocation.taskFolder}/local/go`, "");
  }

  get #loggers(): readonly number[] {
    return this.#agent.journal === undefined
      ? loggersIn(this.#logFolder)
      : loggersOf(this.allocation.cgroup.processes());
  }

  get #logFolder(): string {
    return `${this.allocation.folder}/alloc/logs`;
  }

  /** The lines in the log files of the task, with what stands after the last one. */
  get #fileLines(): string[] {
    const log = { folder: this.#logFolder, task: this.allocation.taskName, stream: "stdout" } as const;
    return readLog(log).toString().split("\n");
  }

  /**
   * The lines of a run are all in the log files that the driver writes, or in the journal, in their order, once.
   * A task that was ended from outside may not have written all of them, and the last ones are lost if a task's
   * logger was killed and no plugin lived until the end of the task.
   * @throws Error
   */
  async #checkOutput(): Promise<void> {
    const { logs, journal } = this.#agent;
    if (logs === "agent") return;
    let defect: string | undefined;
    const isRight = () => {
      defect = this.#defectIn(journal === undefined ? this.#fileLines : [...this.#linesIn(journal), ""]);
      return defect === undefined;
    };
    // Journald has taken all, but may not have written all of it yet.
    if (journal !== undefined) await until(isRight, () => `right output: ${defect}`, 20_000);
    else if (!isRight()) throw new Error(defect);
  }

  /**
   * The whole lines in the journal. A task that is killed cuts one. So does a relay, and then journald may read
   * the beginning of the next connection before the rest of this one. Journald leaves out a space at the end of a piece.
   */
  #linesIn(journal: Journal): string[] {
    const lines = journal.messages(`_SYSTEMD_UNIT=${basename(this.allocation.cgroup.path)}`);
    const isWhole = (line: string) => /^[0-9a-f-]{36}\/main\/[0-9a-f]{8} \d+\.$/.test(line);
    if (this.plan.loggerDiesMs === undefined) return lines.filter(isWhole);
    const pieces = lines.filter((line) => !isWhole(line));
    const joined = pieces
      .flatMap((one) => pieces.flatMap((other) => [one + other, `${one} ${other}`]))
      .filter(isWhole);
    const numberOf = (line: string) => Number(line.split(" ")[1]);
    return [...lines.filter(isWhole), ...joined].toSorted((one, other) => numberOf(one) - numberOf(other));
  }

  /** @param lines and what follows the last one */
  #defectIn(lines: readonly string[]): string | undefined {
    const counts = new Map<string, number>();
    const isTelling = (line = "") => line.startsWith("[exec2: ");
    for (const [index, line] of lines.slice(0, -1).entries()) {
      // Before the driver's own line, there may be a part of a line.
      if (line === "" || isTelling(line) || isTelling(lines[index + 1])) continue;
      const [run = "", number] = line.split(" ");
      const count = (counts.get(run) ?? 0) + 1;
      if (Number(number) !== count) return `${run}: its line ${count} is ${JSON.stringify(line)}`;
      counts.set(run, count);
    }
    const expected = this.plan.task === "writes" ? allLines : firstLines;
    const written = counts.get(this.#taskId) ?? 0;
    if (this.plan.agent !== "waits" || written === expected) return undefined;
    const isTold = this.plan.loggerDiesMs !== undefined && this.#fileLines.some(isLoss);
    return isTold ? undefined : `${this.#taskId}: only ${written} of its lines are in its log`;
  }

  #config() {
    const script = `${beginning}; ${scripts[this.plan.task](this.plan.exitCode)}`;
    const pidMode = this.plan.hostPid ? { pid_mode: "host" } : {};
    const { id, taskName } = this.allocation;
    const taskId = `${id}/${taskName}/${randomBytes(4).toString("hex")}`;
    const losesLogger = this.plan.loggerDiesMs !== undefined;
    const args = ["-c", script, this.#marker, taskId, ...(losesLogger ? ["waits"] : [])];
    return this.allocation.config({ command: "sh", args, ...pidMode }, { id: taskId });
  }

  #promise(types: readonly string[], data: object = {}): void {
    this.promised.push({ taskId: this.#taskId, types, data });
  }
}

/** Whether a line of the driver's own says that output may be missing. */
function isLoss(line: string): boolean {
  return line.startsWith("[exec2: ") && !line.includes(" is in journald: ");
}

function isDiskFull(thrown: unknown): boolean {
  const { code, failed, recoverable } = errorOfCall(thrown);
  return recoverable && (code === "STORE_FAILED" || failed?.errno === "ENOSPC");
}

function tolerateEnded(thrown: unknown): void {
  if ((thrown as { code?: unknown }).code !== status.FAILED_PRECONDITION) throw thrown;
}

function tolerateForgotten(thrown: unknown): void {
  if (errorOfCall(thrown).code !== "TASK_NOT_FOUND") throw thrown;
}
