/** One history: the seed decides everything that happens in it. */
import { hash } from "node:crypto";
import { Driver } from "../../src/driver/driver.ts";
import type { RequestHandOver } from "../../src/driver/driverPort.ts";
import { bundleLines } from "../../src/history/replay/bundle/exportBundle.ts";
import { type Random, randomOf } from "../crash/random.ts";
import { recordingLogger } from "../support/recordingLogger.ts";
import { type Action, Agent, type AgentWorld, allocDirOf, type Job, taskIdOf } from "./agent.ts";
import { Checks } from "./checks.ts";
import { installClock } from "./clock.ts";
import { DurableLog } from "./durableLog.ts";
import { Egress } from "./egress.ts";
import { installHostCalls } from "./hostCalls.ts";
import { Kernel, type Program } from "./kernel.ts";
import { Loggers } from "./loggers.ts";
import { Dead, PluginProcess } from "./pluginProcess.ts";
import { installReplacements } from "./replacements.ts";
import { Scheduler } from "./scheduler.ts";
import { namesShortage, phases, plenty, type Shortages, scattered } from "./shortages.ts";
import { notSimulated } from "./simulated.ts";

export interface Outcome {
  readonly steps: number;
  /** Number of plugin processes. */
  readonly plugins: number;
  readonly runs: number;
  /** Virtual milliseconds. */
  readonly ms: number;
  /** Number of host calls by name. */
  readonly calls: ReadonlyMap<string, number>;
  /** What was wrong. */
  readonly failure: Error | undefined;
  /** The lines of a bundle with the histories of all tasks, which `replay` and the inspector open. */
  bundle(): Iterable<string>;
  /** A hash of everything that happened: the same history has the same one. */
  digest(): string;
  /** The whole history, for people. */
  readonly lines: readonly string[];
}

/** Virtual time for everything that the agents still have to do once nothing goes wrong any more. */
const calmMs = 400_000;

/** @param script sets what goes wrong instead of the seed */
export async function runHistory(seed: number, script?: Script): Promise<Outcome> {
  const random = randomOf(seed);
  const scheduler = new Scheduler(random);
  const kernel = new Kernel(scheduler);
  const log = new DurableLog();
  kernel.audit.isOn = script === undefined && seed >= firstFullSeed;
  const plan = script ? scriptedPlan(script) : planOf(random, () => scheduler.now, seed);
  const loggers = new Loggers(kernel, (taskId) => {
    const job = plan.jobs.find(({ alloc }) => taskId.startsWith(alloc));
    return job?.hasLogs ? allocDirOf(job.alloc) : undefined;
  });
  const egress = new Egress(
    kernel,
    () => current(),
    (taskId) =>
      !plan.limitsEgress
        ? undefined
        : plan.jobs.some(({ alloc, hasEgress }) => hasEgress && taskId.startsWith(alloc))
          ? "listed"
          : "denied",
  );
  const checks = new Checks(kernel, loggers, egress, log);
  const calls = new Map<string, number>();
  let plugins = 0;
  let tasks = 0;
  let calm = false;
  let hasFailed = false;
  let newest: PluginProcess | undefined;
  let agent: Agent;
  const current = () => {
    const plugin = all.find(({ life }) => life === scheduler.life) ?? newest;
    if (plugin === undefined) throw new Error("no plugin process runs");
    return plugin;
  };
  const all: PluginProcess[] = [];
  const logger = recordingLogger();
  notSimulated.length = 0;

  const hazards = {
    diesAt: (call: string) =>
      !calm && random.below(10_000) < plan.deathRate * (call.startsWith("commit") ? 5 : 1),
    failureOf: (call: string, path: string) => {
      calls.set(call, (calls.get(call) ?? 0) + 1);
      const code = calm ? undefined : plan.shortages.failureOf(call);
      if (code !== undefined && call === "rm") checks.notRemoved(path);
      hasFailed ||= code !== undefined;
      if (code !== undefined) checks.callFailed();
      return code;
    },
  };
  const launchPlugin = () => {
    plugins += 1;
    const begin = () => {
      const driver = new Driver(
        logger,
        "/plugin.sock",
        handOverTo(() => plugin),
        async () => [],
      );
      driver.taskEvents().subscribe(({ taskId, message }) => {
        if (plugin === agent.plugin) checks.announces(taskId, message, plugin.life);
      });
      return driver;
    };
    const plugin: PluginProcess = new PluginProcess(plugins, kernel, hazards, begin, (dead) => {
      scheduler.in(scheduler.latency(), agent.life, `learns that plugin ${dead.number} died`, () => {
        agent.pluginDied(dead);
      });
    });
    all.push(plugin);
    newest = plugin;
    return plugin;
  };
  /** Asks the plugin that owns the state folder for it. */
  const handOverTo =
    (asking: () => PluginProcess): RequestHandOver =>
    async () => {
      const asker = asking();
      const owner = all.find(({ life }) => life === kernel.owner);
      if (owner === undefined || owner.life.dead) throw new Error("nobody answers");
      const ended = Promise.withResolvers<void>();
      const answer = Promise.withResolvers<boolean>();
      const later = (what: string, run: () => void) =>
        void scheduler.in(scheduler.latency(), asker.life, what, run);
      owner.onEnd(() =>
        later("learns that the owner has ended", () => {
          ended.resolve();
          answer.reject(new Error("the owner has ended"));
        }),
      );
      scheduler.in(scheduler.latency(), owner.life, "is asked for the state folder", () => {
        if (owner === agent.plugin) return later("is refused the state folder", () => answer.resolve(false));
        void owner.driver.shutdown().then(() => {
          later("gets the state folder", () => answer.resolve(true));
          scheduler.in(scheduler.latency(), owner.life, "exits", () => owner.die("after it handed over"));
        });
      });
      return { handedOver: await answer.promise, ended: ended.promise, forget: () => undefined };
    };
  let overlapped = false;
  const world: AgentWorld = {
    kernel,
    checks,
    disk: { jobs: new Map() },
    tolerates: (text) =>
      (hasFailed && namesShortage(text)) || (overlapped && text.includes("the driver cannot work yet")),
    limitsEgress: plan.limitsEgress,
    egress,
    launchPlugin,
    newTaskId: (alloc) => taskIdOf(alloc, ++tasks),
  };
  const programs = new Map<string, Program>();
  kernel.programOf = (taskId) => {
    const known = programs.get(taskId) ?? programOf(random);
    programs.set(taskId, known);
    return known;
  };

  kernel.uidOf = (taskId) =>
    Number(plan.jobs.find(({ alloc }) => taskId.startsWith(alloc))?.user.slice("nomad-".length));

  const uncaught = (thrown: unknown) => {
    if (!(thrown instanceof Dead) && !scheduler.life.dead)
      checks.fail(`nobody catches: ${(thrown as Error).stack}`);
  };
  scheduler.onThrow = uncaught;
  process.on("uncaughtException", uncaught).on("unhandledRejection", uncaught);
  const restoreClock = installClock(scheduler, () => 10_000 + current().number);

  installHostCalls(kernel, current);
  installReplacements(kernel, loggers, log, egress, current);
  try {
    agent = new Agent(scheduler.newLife("agent 1"), world);
    agent.begin(plan.jobs);
    let agents = 1;
    const disturb = () => {
      if (calm) return;
      scheduler.in(
        random.below(random.chance(50) ? 60 : 1_500),
        scheduler.kernel,
        "something happens",
        () => {
          if (calm) return;
          const event = random.pick(plan.disturbances);
          if (event === "reboot") {
            agents += 1;
            agent.life.dead = true;
            for (const plugin of all) plugin.die("with its host");
            kernel.reboot();
            for (const job of plan.jobs) forgetUnknown(job);
            checks.agentBegins();
            agent = new Agent(scheduler.newLife(`agent ${agents}`), world);
            const next = agent;
            scheduler.in(10, next.life, "begins", () => next.begin(plan.jobs));
          }
          if (event === "foreign process") kernel.startForeign();
          if (event === "logger dies") loggers.killOne();
          if (event === "out of memory") kernel.killForMemory();
          if (event === "plugin dies") agent.plugin.die("between two steps");
          if (event === "agent dies") {
            agents += 1;
            const { plugin, life } = agent;
            life.dead = true;
            scheduler.note("the agent dies");
            const keeps = !plugin.life.dead && agent.isReady && random.chance(50);
            // A plugin that outlives its agent, beside the next agent's plugin.
            const stays = plan.isWide && !keeps && !plugin.life.dead && agent.isReady && random.chance(60);
            overlapped ||= stays;
            if (!keeps && !stays && !plugin.life.dead) plugin.die("with its agent");
            if (stays)
              scheduler.in(random.below(5_000), plugin.life, "ends", () => plugin.die("without an agent"));
            for (const job of plan.jobs) forgetUnknown(job);
            checks.agentBegins();
            const next = new Agent(scheduler.newLife(`agent ${agents}`), world, keeps ? plugin : undefined);
            agent = next;
            if (keeps || stays) {
              const broken = [...plugin.pending];
              plugin.pending.clear();
              // What it has not read yet it never reads.
              for (const { message } of broken) message.over = true;
              scheduler.in(scheduler.shortly(), plugin.life, "loses its agent", () => {
                for (const { controller } of broken) controller.abort(new Error("the agent is gone"));
              });
              if (keeps)
                scheduler.in(5, plugin.life, "gets another agent", () => plugin.driver.agentArrived());
            }
            scheduler.in(10, next.life, "begins", () => next.begin(plan.jobs));
          }
          disturb();
        },
      );
    };
    /** A start of which the dead agent had no answer is unknown to the next one. */
    const forgetUnknown = (job: Job) => {
      const handle = world.disk.jobs.get(job)?.handle;
      for (const { taskId } of kernel.runs)
        if (taskId.startsWith(job.alloc) && taskId !== handle?.taskId) checks.forgotten(taskId);
    };
    if (script === undefined) disturb();
    else
      for (const ms of scriptedDeaths)
        scheduler.in(ms, scheduler.kernel, "the script kills the plugin", () =>
          agent.plugin.die("as the script says"),
        );
    const isOver = () => checks.failure !== undefined || notSimulated.length > 0;
    await scheduler.until(isOver, plan.troubleMs);
    calm = true;
    scheduler.note("nothing goes wrong any more");
    // Work begins with the agent's first step, so an agent that has no work yet is not done.
    await scheduler.until(() => isOver() || plan.jobs.every((job) => isDone(job)), calmMs);
    if (!isOver() && !plan.jobs.every((job) => isDone(job)))
      checks.fail(`never done: ${[...agent.doing].map(([what, how]) => `${what} (${how})`).join("; ")}`);
    if (!isOver()) {
      let isShut = false;
      const shut = () => {
        void agent.shutdown().then(() => {
          isShut = true;
        });
      };
      // Some work is done after its answer, such as the removal of files.
      await scheduler.until(isOver, 40_000);
      checks.checkReleased();
      if (!agent.plugin.life.dead) egress.checkGivenBack();
      // A plugin cannot remove what is still ending when it begins, so the next one does.
      scheduler.in(1, scheduler.kernel, "one more plugin", () => agent.plugin.die("for the last time"));
      const last = agent.plugin;
      await scheduler.until(() => isOver() || (agent.plugin !== last && agent.isReady), 10_000);
      scheduler.in(1, agent.life, "shuts the plugin down", shut);
      await scheduler.until(() => isOver() || isShut, 60_000);
      if (!isOver() && !isShut) checks.fail("Shutdown is never answered");
    }
    if (!isOver()) {
      checks.checkLog();
      checks.checkDenials();
      checks.checkFailedStarts();
      checks.checkRemains();
    }
  } finally {
    restoreClock();
    process.off("uncaughtException", uncaught).off("unhandledRejection", uncaught);
  }
  function isDone(job: Job): boolean {
    const known = world.disk.jobs.get(job);
    return known !== undefined && known.over >= job.runs && known.handle === undefined;
  }
  const failure = notSimulated[0] ?? checks.failure;
  const lines = [
    ...scheduler.trace,
    "",
    "the driver's log:",
    ...logger.lines.map(({ level, message, fields }) => `${level} ${message} ${JSON.stringify(fields)}`),
    "",
    "the event log:",
    ...checks.describeLog(),
  ];
  return {
    steps: scheduler.steps,
    plugins,
    runs: kernel.runs.length,
    ms: scheduler.now - 1_800_000_000_000,
    calls,
    digest: () => hash("sha256", scheduler.trace.join("\n")),
    bundle: () => bundleLines(log.streams(), { mask: false, now: scheduler.now }),
    failure,
    lines: failure === undefined ? [] : lines,
  };
}

/** Histories of these seeds have the wider world: reboots, two plugins at once, commands, cancelled calls. */
const firstWideSeed = 1_000;

/** In histories of these seeds, sandboxes also deny tasks something, and loggers write log files and are killed. */
const firstFullSeed = 10_000;

/**
 * From this seed on, in two of seven histories the tasks have egress, and in one more an operator also changes it.
 * The others are as before.
 */
const firstEgressSeed = 100_000;
const changingRest = 5;

const disturbances = [
  ...(["foreign process", "foreign process", "foreign process"] as const),
  ...(["plugin dies", "agent dies", "out of memory"] as const),
];

const wideDisturbances = [...disturbances, ...disturbances, "agent dies", "agent dies", "reboot"] as const;

const fullDisturbances = [...wideDisturbances, "logger dies", "logger dies", "logger dies"] as const;

/** A history in which plugins die at fixed times, and nothing else goes wrong but what is given. */
export interface Script {
  readonly shortages: Shortages;
}

/** Milliseconds after the beginning: while tasks start, run and end. */
const scriptedDeaths = [250, 420, 1_300, 2_900];

function scriptedPlan({ shortages }: Script): Plan {
  const actions: Action[] = [
    "stops",
    "executes",
    "signals",
    "destroys",
    "executes",
    "inspects",
    "waits",
    "stops",
  ];
  let next = 0;
  const jobs = jobsOf(2, () => ({
    runs: 4,
    hasStopCommand: true,
    hasLogs: true,
    hasEgress: false,
    cancels: false,
    nextAction: () => actions[next++ % actions.length] as Action,
  }));
  return {
    jobs,
    deathRate: 0,
    shortages,
    troubleMs: 20_000,
    isWide: false,
    limitsEgress: false,
    disturbances,
  };
}

interface Plan {
  readonly jobs: readonly Job[];
  /** How many of ten thousand host calls kill the plugin. */
  readonly deathRate: number;
  readonly shortages: Shortages;
  /** Milliseconds after which nothing goes wrong any more. */
  readonly troubleMs: number;
  readonly isWide: boolean;
  readonly limitsEgress: boolean;
  /** What happens now and then. */
  readonly disturbances: readonly (typeof fullDisturbances)[number][];
}

function shortagesOf(random: Random, now: () => number): Shortages {
  if (random.chance(50)) return plenty;
  return random.chance(50) ? scattered(random, random.pick([3, 15, 60])) : phases(random, now);
}

function planOf(random: Random, now: () => number, seed: number): Plan {
  const isWide = seed >= firstWideSeed;
  const isFull = seed >= firstFullSeed;
  const limitsEgress = seed >= firstEgressSeed && [1, 2, changingRest].includes(seed % 7);
  const actions: Action[] = ["waits", "stops", "signals", "destroys", "inspects"];
  if (isWide) actions.push("executes", "executes", "stops");
  if (limitsEgress && seed % 7 === changingRest) actions.push("changes", "changes", "changes", "changes");
  const jobs = jobsOf(1 + random.below(3), () => ({
    runs: 1 + random.below(3),
    hasStopCommand: isWide && random.chance(40),
    hasLogs: isFull && random.chance(60),
    hasEgress: limitsEgress && random.chance(70),
    cancels: isWide && random.chance(50),
    nextAction: () => random.pick(actions),
  }));
  return {
    isWide,
    limitsEgress,
    disturbances: isFull ? fullDisturbances : isWide ? wideDisturbances : disturbances,
    jobs,
    deathRate: random.pick([0, 20, 60, 150]),
    shortages: shortagesOf(random, now),
    troubleMs: random.pick([2_000, 8_000, 20_000]),
  };
}

function jobsOf(count: number, rest: () => Omit<Job, "alloc" | "user">): Job[] {
  return Array.from({ length: count }, (_, index) => ({
    alloc: `0b0ff9d5-0000-4000-8000-00000000000${index}`,
    user: `nomad-${80_000 + index}`,
    ...rest(),
  }));
}

function programOf(random: Random): Program {
  return {
    endsAfter: random.chance(60) ? random.pick([0, 5, 300, 4_000]) : undefined,
    exitCode: random.pick([0, 0, 1, 7, 137]),
    obeys: random.chance(60),
  };
}
