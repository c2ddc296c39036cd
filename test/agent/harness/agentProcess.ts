/** An agent as a process, which a case may kill and start again. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, openSync, type WriteStream } from "node:fs";
import { createInterface } from "node:readline";

export interface AgentOptions {
  /** Path of Nomad's executable. */
  readonly nomad: string;
  readonly configuration: string;
  /** File for what the agent writes. */
  readonly log: string;
  readonly env: NodeJS.ProcessEnv;
}

/** What agents write when their HTTP API answers and their client has taken over its tasks. */
const started = /Nomad agent started!/;

const startLimitMs = 180_000;
const endLimitMs = 60_000;
const lastLinesMs = 2_000;

export class AgentProcess {
  readonly #options: AgentOptions;
  readonly #log: WriteStream;
  #child: ChildProcess | undefined;

  constructor(options: AgentOptions) {
    this.#options = options;
    // Open from the beginning: the folder may be gone before a stream would open it.
    this.#log = createWriteStream(options.log, { fd: openSync(options.log, "a") });
  }

  get pid(): number {
    const { pid } = this.#child ?? {};
    if (pid === undefined) throw new Error("the agent does not run");
    return pid;
  }

  /** @throws Error with the agent's last lines if it ends, or does not start in time */
  async start(): Promise<void> {
    const { nomad, configuration, env } = this.#options;
    const child = spawn(nomad, ["agent", "-config", configuration], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
      // A terminal's Ctrl-C ends this program, which ends the agents.
      detached: true,
    });
    this.#child = child;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const last: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (line) => {
        this.#log.write(`${line}\n`);
        last.push(line);
        if (last.length > 20) last.shift();
        if (started.test(line)) resolve();
      });
    }
    const fail = (why: string) => reject(new Error(`the agent ${why}. It wrote:\n${last.join("\n")}`));
    child.once("error", (error) => fail(`cannot be run: ${error.message}`));
    // Unlike `exit`, `close` comes after the last line. A helper of a dead agent may keep its pipes open.
    child.once("exit", async (code, signal) => {
      const closed = once(child, "close", { signal: AbortSignal.timeout(lastLinesMs) });
      await closed.catch(() => undefined);
      fail(`ended (${signal ?? code})`);
    });
    const timer = setTimeout(() => fail(`has not started in ${startLimitMs / 1_000} s`), startLimitMs);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Kills the agent, as a crash does. Its plugin and its tasks go on. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Stops the agent as a restart of its service does. Its tasks go on. */
  async stop(): Promise<void> {
    await this.#end("SIGINT");
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit", { signal: AbortSignal.timeout(endLimitMs) });
    child.kill(signal);
    await exit;
  }
}
