/**
 * The simulated kernel: processes with pids that are soon used again, the files of runs, FIFOs, cgroups, and
 * the run's init as buildPlan.ts plans it. It knows what really happened to each run, which is what the checks
 * compare the driver's answers with.
 */
import { constants } from "node:os";
import { identityRecord, statusFileLayout as layout } from "../../src/effects/plan/plan.ts";
import { Audit } from "./audit.ts";
import { beginning, type Life, type Scheduler } from "./scheduler.ts";

const { SIGKILL, SIGPIPE } = constants.signals;

/** What the program of a task does by itself, and on signals. */
export interface Program {
  /** Milliseconds until it exits by itself; undefined if it never does. */
  readonly endsAfter: number | undefined;
  readonly exitCode: number;
  /** Whether it ends on a signal other than SIGKILL. */
  readonly obeys: boolean;
}

/** What really happened to a run. */
export interface RunTruth {
  readonly taskId: string;
  readonly init: Process;
  task: Process | undefined;
  /** Whether the task's process was released, and has recorded that. It will execute its program. */
  released: boolean;
  /** Whether the task's program was executed. */
  executed: boolean;
  /** The plugin process that has begun it. */
  readonly plugin: Life;
  /** How the task's process ended. */
  end: { readonly exitCode: number; readonly signal: number } | undefined;
  /** Whether init recorded that end. */
  recorded: boolean;
  /** Whether the driver has sent SIGKILL to its init or its task. */
  killedByDriver: boolean;
  /** Whether something else has killed its init. */
  initKilledByOther: boolean;
  /** Ends the task's process, as the end of its namespace does. */
  endTask?: () => void;
  /** Whether the host was rebooted while it ran. */
  lostByReboot: boolean;
  /** The commands that were run in it. */
  readonly commands: CommandTruth[];
}

/** What really happened to a command in a task. */
export interface CommandTruth {
  /** The plugin process that has begun it. */
  readonly plugin: Life;
  readonly leader: Process;
  /** Processes that it has left in its session. */
  readonly rest: readonly Process[];
  executed: boolean;
  /** Whether the plugin has learned that it was executed. */
  isReported: boolean;
  end: { readonly exitCode: number; readonly signal: number } | undefined;
}

export class Process {
  readonly pid: number;
  readonly startTicks: number;
  readonly name: string;
  readonly parent: Process | undefined;
  readonly cgroup: Cgroup | undefined;
  readonly session: number;
  /** Number of the boot in which it began. */
  boot = 1;
  state: "S" | "Z" = "S";
  /** Whether it is in the process list: until it is reaped, or for a process without a parent until it exits. */
  exists = true;
  /** Called with each signal that the process receives. */
  onSignal: (signal: number, byDriver: boolean) => void = () => {};
  /** Its open FIFOs by descriptor. */
  readonly files = new Map<number, Fifo>();
  /** The pipes of which it has the read end. */
  readonly pipes = new Set<ReleasePipe>();

  constructor(
    pid: number,
    startTicks: number,
    name: string,
    parent?: Process,
    cgroup?: Cgroup,
    session = pid,
  ) {
    this.pid = pid;
    this.startTicks = startTicks;
    this.name = name;
    this.parent = parent;
    this.cgroup = cgroup;
    this.session = session;
  }

  /** As proc_pid_stat(5) has it. */
  get stat(): string {
    const { pid, name, state, parent, session, startTicks } = this;
    const fields = Array(48).fill("0");
    const set = (number: number, value: unknown) => {
      fields[number - 4] = String(value);
    };
    set(4, parent?.pid ?? 1);
    set(5, session);
    set(6, session);
    set(22, startTicks);
    return `${pid} (${name}) ${state} ${fields.join(" ")}\n`;
  }
}

export class File {
  content = Buffer.alloc(0);
  mtimeMs = 0;
  /** Called when it was written to. */
  readonly watchers = new Set<() => void>();
}

export class Fifo {
  /** Its path, or the one of which it was removed. */
  path: string;
  readonly writers = new Set<Process>();
  /** Called when the last writer has closed it. */
  readonly watchers = new Set<() => void>();

  constructor(path: string) {
    this.path = path;
  }
}

export class Cgroup {
  readonly path: string;
  readonly processes = new Set<Process>();
  /** Called when it becomes empty. */
  readonly watchers = new Set<() => void>();
  oomKills = 0;
  frozen = false;
  /** Extended attributes. */
  readonly attributes = new Map<string, string>();

  constructor(path: string) {
    this.path = path;
  }
}

/** A pipe from a plugin to the processes of a launch. */
export class ReleasePipe {
  bytes = 0;
  /** Whether the plugin has closed its end. */
  closed = false;
  /** Who has the other end. */
  readonly readers = new Set<object>();
}

export interface LaunchReport {
  /** Called when a process has reported its identity. */
  onIdentity(process: Process): void;
  /** Called when all processes have closed the report. */
  onEnd(processes: readonly Process[]): void;
}

export class Kernel {
  readonly scheduler: Scheduler;
  #boot = 1;
  /** Time of the last boot. */
  bootedAt = beginning - 10_000;
  /** What the kernel does by itself, until the host is rebooted. */
  life: Life;
  /** The plugin process that owns the state folder. */
  owner: Life | undefined;
  /** The folder of each task's newest start, by the task's part of its name. */
  readonly newestFolders = new Map<string, { readonly folder: string; readonly plugin: Life }>();
  readonly folders = new Set<string>(["/state", "/state/run"]);
  readonly files = new Map<string, File | Fifo>();
  readonly cgroups = new Map<string, Cgroup>();
  readonly processes = new Map<number, Process>();
  readonly runs: RunTruth[] = [];
  readonly audit: Audit;
  /** Called when a program begins to run, before it does. */
  onExecute: (run: RunTruth) => void = () => {};
  /** Called when a process that does not belong to the driver gets a signal of the driver's. */
  onWrongSignal: (target: Process, signal: number) => void = () => {};
  /** Called when the init of a start opens the files of a later one. */
  onForeignFiles: (run: RunTruth) => void = () => {};
  /** Called when the driver's signal may end a running program. */
  onDriverSignal: (run: RunTruth, signal: number) => void = () => {};
  /** Called when a run's first process begins. */
  onBegin: (run: RunTruth, runFolder: string) => void = () => {};
  /** Called when a program has begun. `then` schedules a step of the task, while it lives. */
  onProgram: (run: RunTruth, then: (ms: number, what: string, step: () => void) => void) => void = () => {};
  /** Called when a run's task has ended, or will never begin; perhaps twice. */
  onEnd: (run: RunTruth) => void = () => {};
  /** Whether a task's output waits for its logger, so that the task does. */
  isBlocked: (run: RunTruth) => boolean = () => false;
  programOf: (taskId: string) => Program = () => ({ endsAfter: undefined, exitCode: 0, obeys: true });
  uidOf: (taskId: string) => number = () => 0;
  #nextPid = firstPid;
  readonly #cgroupIds = new WeakMap<Cgroup, number>();
  #lastCgroupId = 1_000;
  /** Start ticks of the last process with each pid. */
  readonly #lastTicks = new Map<number, number>();

  constructor(scheduler: Scheduler) {
    this.scheduler = scheduler;
    this.life = scheduler.newLife("kernel", true);
    this.audit = new Audit(scheduler, (ms, what, run) => this.after(ms, what, run));
  }

  get bootId(): string {
    return `00000000-0000-4000-8000-00000000000${this.#boot}`;
  }

  /** The host goes down and comes up again. Files stay, processes and cgroups do not. */
  reboot(): void {
    this.scheduler.note("the host is rebooted");
    this.life.dead = true;
    this.#boot += 1;
    this.life = this.scheduler.newLife(`kernel of boot ${this.#boot}`, true);
    this.bootedAt = this.scheduler.now;
    for (const run of this.runs) if (run.init.exists) run.lostByReboot = true;
    for (const process of this.processes.values()) process.exists = false;
    this.processes.clear();
    this.cgroups.clear();
    this.#lastTicks.clear();
    for (const file of this.files.values()) if (file instanceof Fifo) file.writers.clear();
    this.owner = undefined;
    this.audit.reboot();
  }

  isOfEarlierBoot({ boot }: Process): boolean {
    return boot !== this.#boot;
  }

  /** Processes that have nothing to do with the driver. They take the next pids, and most soon end. */
  startForeign(): void {
    const { random } = this.scheduler;
    for (let count = 1 + random.below(12); count > 0; count--) {
      // Some pids stay free for the driver's processes.
      if (this.processes.size > 10) return;
      const process = this.startProcess("foreign");
      process.onSignal = (signal, byDriver) => byDriver && this.onWrongSignal(process, signal);
      const lifeMs = random.chance(10) ? 60_000 : random.below(random.chance(50) ? 10 : 6_000);
      this.audit.restricts({ taskId: undefined, pid: process.pid, uid: 0, parent: 1 }, (ms, what, step) =>
        this.after(ms, `foreign process: ${what}`, () => process.exists && step()),
      );
      this.after(lifeMs, "a foreign process ends", () => this.remove(process));
    }
  }

  /** The number of a cgroup's folder. */
  idOf(cgroup: Cgroup): number {
    const known = this.#cgroupIds.get(cgroup) ?? ++this.#lastCgroupId;
    this.#cgroupIds.set(cgroup, known);
    return known;
  }

  get(pid: number): Process | undefined {
    const process = this.processes.get(pid);
    return process?.exists ? process : undefined;
  }

  /** The pid namespace of a process, as proc_pid_ns(5) names it; undefined if there is no such process. */
  namespaceOf(pid: number): string | undefined {
    let process = this.get(pid);
    if (process === undefined) return undefined;
    while (process.parent !== undefined) process = process.parent;
    return process.name === "exec2-init" ? `pid:[${process.pid}-${process.startTicks}]` : "pid:[1]";
  }

  makeCgroup(path: string): void {
    if (!this.cgroups.has(path)) this.cgroups.set(path, new Cgroup(path));
  }

  /** As an agent does when a task is over: kills what is left, and tries once to remove the cgroup. */
  endCgroupAsAgent(path: string): void {
    this.killCgroup(path, false);
    if (!this.isPopulated(path) && this.childrenOf(path).length === 0) this.cgroups.delete(path);
  }

  /** Names of the cgroups directly below a cgroup. */
  childrenOf(path: string): string[] {
    return this.#below(path).flatMap((each) =>
      each.path !== path && !each.path.slice(path.length + 1).includes("/")
        ? each.path.slice(path.length + 1)
        : [],
    );
  }

  /** Whether a cgroup or one below it has processes. */
  isPopulated(path: string): boolean {
    return this.#below(path).some(({ processes }) => processes.size > 0);
  }

  /** `cgroup.kill` of cgroups(7). */
  killCgroup(path: string, byDriver: boolean): void {
    for (const { processes } of this.#below(path))
      for (const process of processes) this.signal(process, SIGKILL, byDriver);
  }

  #below(path: string): Cgroup[] {
    return [...this.cgroups.values()].filter(
      (each) => each.path === path || each.path.startsWith(`${path}/`),
    );
  }

  /** Tells whoever watches a cgroup or one above it. */
  cgroupChanged({ path }: Cgroup): void {
    for (const each of this.cgroups.values())
      if (path === each.path || path.startsWith(`${each.path}/`))
        for (const changed of each.watchers) changed();
  }

  /**
   * Begins a command in a running task, in a cgroup of its own: the process that waits for it, and the command's
   * own process, with the steps of execPlan.ts.
   * @param onReport gets the command once its report is closed; undefined if it was not executed
   * @param onEnd gets how the command ended, once the process that waits has ended; undefined if it did not tell
   */
  command(
    {
      plugin,
      onPluginEnd,
      init,
      cgroup,
    }: { plugin: Life; onPluginEnd: (then: () => void) => void; init: Process; cgroup: string },
    onReport: (command: CommandTruth | undefined) => void,
    onEnd: (status: NonNullable<CommandTruth["end"]> | undefined) => void,
  ): void {
    const { random } = this.scheduler;
    const run = this.runs.find((each) => each.init === init);
    const waiter = this.startProcess("exec2-exec");
    let waiterSignal = false;
    /** The command's process gets SIGKILL when the one that waits has ended. */
    let commandSignal: (() => void) | undefined;
    const endWaiter = (how: NonNullable<CommandTruth["end"]> | undefined) => {
      if (!waiter.exists) return;
      this.remove(waiter);
      commandSignal?.();
      onEnd(how);
    };
    waiter.onSignal = (signal) => signal === SIGKILL && endWaiter(undefined);
    const then = (what: string, step: () => void, ms = this.scheduler.latency()) =>
      this.after(ms, `waiter ${waiter.pid}: ${what}`, () => waiter.exists && step());
    onPluginEnd(() =>
      this.after(this.scheduler.shortly(), "a plugin's processes get their signal", () => {
        if (waiterSignal) this.signal(waiter, SIGKILL, false);
      }),
    );
    const fail = () => {
      onReport(undefined);
      endWaiter(undefined);
    };

    then("asks for its parent's death signal", () => {
      waiterSignal = true;
      then("makes the command's cgroup", () => {
        if (!this.cgroups.has(cgroup.slice(0, cgroup.lastIndexOf("/")))) return fail();
        const folder = new Cgroup(cgroup);
        this.cgroups.set(cgroup, folder);
        then("forks the command", () => {
          if (run === undefined || !init.exists || init.state === "Z" || !this.cgroups.has(cgroup))
            return fail();
          startCommand(run, folder);
        });
      });
    });

    const startCommand = (run: RunTruth, folder: Cgroup) => {
      const leader = this.startProcess("exec2-command", init, folder, true);
      const rest: Process[] = [];
      const command: CommandTruth = {
        ...{ plugin, leader, rest },
        ...{ executed: false, isReported: false, end: undefined },
      };
      run.commands.push(command);
      const end = (how: NonNullable<CommandTruth["end"]>) => {
        if (command.end !== undefined) return;
        command.end = how;
        this.remove(leader);
        if (!command.executed) onReport(undefined);
        endWaiter(how);
      };
      leader.onSignal = (signal) => signal === SIGKILL && end({ exitCode: 137, signal: SIGKILL });
      const next = (what: string, step: () => void, ms = this.scheduler.latency()) =>
        this.after(ms, `command ${leader.pid}: ${what}`, () => {
          if (command.end !== undefined) return;
          // A frozen process does nothing until its cgroup is thawed.
          if (folder.frozen) next(what, step, 5);
          else step();
        });
      const report = (step: () => void) => {
        // SIGPIPE: nobody reads the report any more.
        if (plugin.dead) end({ exitCode: 128 + SIGPIPE, signal: SIGPIPE });
        else step();
      };
      const leaves = (process: Process) => {
        process.onSignal = (signal) => signal === SIGKILL && this.remove(process);
      };
      const execute = () => {
        command.executed = true;
        onReport(command);
        const { taskId } = run;
        this.audit.restricts(
          { taskId, pid: leader.pid, uid: this.uidOf(taskId), parent: init.pid },
          (ms, what, step) => next(what, step, ms),
        );
        if (random.chance(30)) {
          const member = this.startProcess("exec2-command", leader, folder);
          leaves(member);
          rest.push(member);
        }
        if (random.chance(10)) leaves(this.startProcess("exec2-daemon", leader, folder, true));
        const lasts = random.pick([0, 3, 40, 900, 5_000]);
        next("exits", () => end({ exitCode: random.pick([0, 0, 1]), signal: 0 }), lasts);
      };
      next("reports itself", () =>
        report(() =>
          next("asks for its parent's death signal", () => {
            commandSignal = () => this.signal(leader, SIGKILL, false);
            next("reports itself again", () => report(() => next("is executed", execute)));
          }),
        ),
      );
    };
  }

  /** A signal to a zombie does nothing. */
  signal(target: Process, signal: number, byDriver: boolean): void {
    if (target.state === "Z") return;
    const run = this.runs.find(({ init, task }) => init === target || task === target);
    if (run !== undefined && byDriver) {
      if (signal === SIGKILL) run.killedByDriver = true;
      this.onDriverSignal(run, signal);
    } else if (run?.init === target && signal === SIGKILL) run.initKilledByOther = true;
    target.onSignal(signal, byDriver);
  }

  /**
   * Starts a process that does nothing until it is killed.
   * @param holds a FIFO that it has open for writing
   * @param reads a pipe of which it has the read end
   * @param isReaped whether somebody waits for it
   */
  startIdle(
    cgroup: Cgroup | undefined,
    { holds, reads, isReaped = true }: { holds?: Fifo; reads?: ReleasePipe; isReaped?: boolean } = {},
  ): Process {
    const process = this.startProcess("idle", undefined, cgroup);
    if (holds !== undefined) this.hold(process, holds);
    if (reads !== undefined) this.#read(process, reads);
    process.onSignal = (signal) => {
      if (signal !== SIGKILL) return;
      if (isReaped) this.remove(process);
      else this.#becomeZombie(process);
    };
    return process;
  }

  /** The OOM killer ends a running task. */
  killForMemory(): void {
    const running = this.runs.filter(({ executed, end }) => executed && end === undefined);
    const run = running[0] && this.scheduler.random.pick(running);
    if (run?.task === undefined) return;
    this.scheduler.note(`the kernel kills ${run.task.pid} for lack of memory`);
    if (run.task.cgroup) run.task.cgroup.oomKills += 1;
    this.signal(run.task, SIGKILL, false);
  }

  /** Begins a run's init in a cgroup. */
  launch(
    {
      taskId,
      runFolder,
      cgroup,
      fifo: own,
      plugin,
    }: { taskId: string; runFolder: string; cgroup: string; fifo: unknown; plugin: Life },
    release: ReleasePipe,
    report: LaunchReport,
  ): void {
    const folder = this.cgroups.get(cgroup);
    const reported: Process[] = [];
    // The cgroup was removed before the spawner's child could start in it.
    if (folder === undefined) {
      report.onEnd(reported);
      return;
    }
    const init = this.startProcess("exec2-init", undefined, folder);
    const run: RunTruth = {
      taskId,
      init,
      task: undefined,
      released: false,
      executed: false,
      end: undefined,
      recorded: false,
      killedByDriver: false,
      initKilledByOther: false,
      lostByReboot: false,
      plugin,
      commands: [],
    };
    this.runs.push(run);
    this.onBegin(run, runFolder);
    let killed = false;
    /** The next step of init; nothing more once init is killed. */
    const then = (what: string, step: () => void, ms = this.scheduler.latency()) =>
      this.after(ms, `init ${init.pid}: ${what}`, () => killed || step());
    let ended = false;
    const endReport = () => {
      if (ended) return;
      ended = true;
      report.onEnd(reported);
    };
    this.#read(init, release);
    const exit = () => {
      killed = true;
      if (run.task === undefined || run.end !== undefined) endReport();
      this.#exitInit(run);
    };
    init.onSignal = (signal) => {
      // PID 1 of a namespace ignores all other signals.
      if (signal !== SIGKILL || killed) return;
      exit();
    };
    const status = `${runFolder}/status`;
    const alive = `${runFolder}/alive`;

    then("opens its files", () => {
      const fifo = this.files.get(alive);
      if (!this.folders.has(runFolder) || !(fifo instanceof Fifo)) return exit();
      const file = this.files.get(status) ?? new File();
      if (!(file instanceof File)) return exit();
      if (fifo !== own) this.onForeignFiles(run);
      this.files.set(status, file);
      const content = Buffer.alloc(Math.max(layout.heldBytes, file.content.length));
      content.set(layout.noStatus);
      this.write(file, content);
      this.hold(init, fifo);
      then("reports itself", () => {
        reported.push(init);
        report.onIdentity(init);
        this.#whenReadable(
          release,
          () => !killed,
          1,
          (complete) => {
            if (!complete) return exit();
            then("forks the task", () => startTask(file));
          },
        );
      });
    });

    const startTask = (file: File) => {
      const task = this.startProcess("exec2-task", init, folder, true);
      run.task = task;
      this.#read(task, release);
      let taskKilled = false;
      const endTask = (end: NonNullable<RunTruth["end"]>) => {
        if (taskKilled) return;
        taskKilled = true;
        run.end = end;
        this.audit.of(taskId).isOver = true;
        this.onEnd(run);
        this.audit.ends(task.pid);
        this.#becomeZombie(task);
        this.scheduler.note(`task ${task.pid} of ${taskId} ends: ${JSON.stringify(end)}`);
        endReport();
        reap(file, task);
      };
      run.endTask = () => endTask({ exitCode: 137, signal: SIGKILL });
      const thenTask = (ms: number, what: string, step: () => void) =>
        this.after(ms, `task ${task.pid}: ${what}`, () => taskKilled || step());
      task.onSignal = (signal) => {
        if (signal === SIGKILL) endTask({ exitCode: 137, signal: SIGKILL });
        else if (run.executed && this.programOf(taskId).obeys)
          thenTask(this.scheduler.random.below(30), `obeys signal ${signal}`, () =>
            endTask({ exitCode: 128 + signal, signal }),
          );
      };
      thenTask(this.scheduler.latency(), "records itself", () => {
        const content = Buffer.from(file.content);
        content.write(task.stat, layout.task + identityRecord.tagBytes);
        this.write(file, content);
        reported.push(task);
        report.onIdentity(task);
        this.#whenReadable(
          release,
          () => !taskKilled,
          2,
          (released) => {
            if (!released) return endTask({ exitCode: 0, signal: 0 });
            thenTask(this.scheduler.latency(), "is released", () => {
              this.write(file, file.content.subarray(0, layout.releasedBytes));
              run.released = true;
              thenTask(this.scheduler.latency(), "executes its program", () => {
                this.onExecute(run);
                run.executed = true;
                this.#closePipes(task);
                endReport();
                this.onProgram(run, thenTask);
                const { endsAfter, exitCode } = this.programOf(taskId);
                this.audit.restricts(
                  { taskId, pid: task.pid, uid: this.uidOf(taskId), parent: init.pid },
                  thenTask,
                );
                const exits = () => {
                  if (this.isBlocked(run)) thenTask(100, "waits for its output", exits);
                  else endTask({ exitCode, signal: 0 });
                };
                if (endsAfter !== undefined) thenTask(endsAfter, "exits by itself", exits);
              });
            });
          },
        );
      });
    };

    const reap = (file: File, task: Process) => {
      then("reaps the task", () => {
        const status = Buffer.alloc(4);
        const { exitCode, signal } = run.end as NonNullable<RunTruth["end"]>;
        status.writeInt32LE(signal > 0 ? signal : exitCode << 8);
        const content = Buffer.from(file.content);
        content.set(status);
        this.write(file, content);
        run.recorded = true;
        this.remove(task);
        then("exits", exit);
      });
    };
  }

  /** The steps of init's exit: its files are closed first, then its namespace ends, then it leaves its cgroup. */
  #exitInit(run: RunTruth): void {
    const { init } = run;
    const { scheduler } = this;
    const then = (what: string, step: () => void) =>
      this.after(scheduler.shortly(), `init ${init.pid}: ${what}`, step);
    then("closes its files", () => {
      this.#closeFiles(init);
      then("ends its namespace", () => {
        run.endTask?.();
        this.onEnd(run);
        if (run.task !== undefined) this.remove(run.task);
        for (const process of [...this.processes.values()])
          if (process !== init && this.#isBelow(process, init)) this.signal(process, SIGKILL, false);
        init.state = "Z";
        then("leaves its cgroup", () => this.remove(init));
      });
    });
  }

  #isBelow(process: Process, ancestor: Process): boolean {
    return process === ancestor || (process.parent !== undefined && this.#isBelow(process.parent, ancestor));
  }

  startProcess(name: string, parent?: Process, cgroup?: Cgroup, leads = false): Process {
    const ticks = Math.floor((this.scheduler.now - this.bootedAt) / 10);
    for (let tries = 0; ; tries++) {
      const pid = this.#nextPid;
      this.#nextPid = pid === lastPid ? firstPid : pid + 1;
      if (this.processes.has(pid)) continue;
      // The kernel never gives a pid twice within a tick: it would have to start 32,768 processes in it. Here the
      // few pids may all have been given.
      if (tries <= lastPid - firstPid && this.#lastTicks.get(pid) === ticks) continue;
      this.#lastTicks.set(pid, ticks);
      const process = new Process(pid, ticks, name, parent, cgroup, leads || !parent ? pid : parent.session);
      process.boot = this.#boot;
      this.processes.set(pid, process);
      cgroup?.processes.add(process);
      return process;
    }
  }

  remove(process: Process): void {
    if (!process.exists) return;
    this.#closeFiles(process);
    process.exists = false;
    this.audit.ends(process.pid);
    this.processes.delete(process.pid);
    this.#leaveCgroup(process);
  }

  #leaveCgroup(process: Process): void {
    const { cgroup } = process;
    if (!cgroup?.processes.delete(process)) return;
    if (cgroup.processes.size === 0) this.cgroupChanged(cgroup);
  }

  /** Opens a FIFO for writing, at the descriptor at which init has it. */
  hold(process: Process, fifo: Fifo): void {
    process.files.set(9, fifo);
    fifo.writers.add(process);
  }

  #read(process: Process, pipe: ReleasePipe): void {
    process.pipes.add(pipe);
    pipe.readers.add(process);
  }

  #closeFiles(process: Process): void {
    for (const fifo of process.files.values()) {
      fifo.writers.delete(process);
      if (fifo.writers.size === 0) for (const closed of fifo.watchers) closed();
    }
    process.files.clear();
    this.#closePipes(process);
  }

  #closePipes(process: Process): void {
    for (const pipe of process.pipes) pipe.readers.delete(process);
    process.pipes.clear();
  }

  /** A process has ended, and nobody has waited for it yet. It has no files and soon no cgroup. */
  #becomeZombie(process: Process): void {
    this.#closeFiles(process);
    process.state = "Z";
    this.after(this.scheduler.shortly(), `zombie ${process.pid}: leaves its cgroup`, () =>
      this.#leaveCgroup(process),
    );
  }

  write(file: File, content: Buffer): void {
    file.content = Buffer.from(content);
    file.mtimeMs = this.scheduler.now;
    for (const changed of file.watchers) changed();
  }

  /** Waits in read(2). @param then gets whether byte number `number` came, or the end of the pipe */
  #whenReadable(
    pipe: ReleasePipe,
    isWaiting: () => boolean,
    number: number,
    then: (readable: boolean) => void,
  ): void {
    const look = () => {
      if (!isWaiting()) return;
      if (pipe.bytes >= number) then(true);
      else if (pipe.closed) then(false);
      else pipeWaiters.add(pipe, look);
    };
    look();
  }

  after(ms: number, what: string, run: () => void): void {
    this.scheduler.in(ms, this.life, what, run);
  }

  /** To be called when a byte was written to a pipe, or when the pipe was closed. */
  changed(pipe: ReleasePipe): void {
    for (const look of pipeWaiters.take(pipe)) this.after(this.scheduler.latency(), "a pipe is read", look);
  }
}

/** Few pids, so that they are soon used again. */
const firstPid = 300;
const lastPid = 326;

class PipeWaiters {
  readonly #waiters = new WeakMap<ReleasePipe, (() => void)[]>();
  add(pipe: ReleasePipe, look: () => void): void {
    this.#waiters.set(pipe, [...(this.#waiters.get(pipe) ?? []), look]);
  }
  take(pipe: ReleasePipe): (() => void)[] {
    const all = this.#waiters.get(pipe) ?? [];
    this.#waiters.delete(pipe);
    return all;
  }
}

const pipeWaiters = new PipeWaiters();
