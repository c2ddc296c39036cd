/** A real systemd-journald with a journal namespace of its own, which the host's does not see. Needs root. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { onTestFinished, type TestContext } from "vitest";
import { leaveOut } from "./requireTools.ts";
import { until } from "./until.ts";

const program = "/lib/systemd/systemd-journald";

/** An entry of the journal: its fields. */
export type Entry = Readonly<Record<string, string>>;

export class Journal {
  readonly namespace: string;
  #process: ChildProcess | undefined;
  #stream: Socket | undefined;

  /**
   * @param settings lines of journald.conf(5)
   * @param namespace its name, which no other has
   */
  constructor(settings: readonly string[] = [], namespace = `exec2-${randomBytes(4).toString("hex")}`) {
    this.namespace = namespace;
    mkdirSync(this.#configuration, { recursive: true });
    // The kernel has one audit switch, which other tests need as it is.
    const lines = ["[Journal]", "Audit=", "Storage=volatile", "RuntimeMaxUse=64M", ...settings];
    writeFileSync(`${this.#configuration}/test.conf`, `${lines.join("\n")}\n`);
  }

  get #configuration(): string {
    return `/run/systemd/journald@${this.namespace}.conf.d`;
  }

  get socket(): string {
    return `/run/systemd/journal.${this.namespace}/stdout`;
  }

  /** Starts it. Resolves once it takes streams. */
  async start(): Promise<void> {
    this.#process = spawn(program, [this.namespace], { stdio: "ignore" });
    // Without a stream, the journald of a namespace ends after half a minute.
    await until(async () => {
      this.#stream = await connection(this.socket).catch(() => undefined);
      return this.#stream !== undefined;
    }, `journald takes streams at ${this.socket}`);
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    this.#process?.kill(name);
  }

  /** Kills it: its sockets stay without a listener. */
  async kill(): Promise<void> {
    this.#stream?.destroy();
    const ended = Promise.withResolvers<void>();
    this.#process?.once("exit", () => ended.resolve());
    this.signal("SIGKILL");
    await ended.promise;
  }

  /** @param matches as journalctl(1) takes them, such as `-t` and an identifier */
  entries(...matches: string[]): Entry[] {
    const args = [`--namespace=${this.namespace}`, "-o", "json", "--all", "--no-pager", ...matches];
    const lines = execFileSync("journalctl", args, { encoding: "utf8", maxBuffer: 2 ** 28 });
    return lines
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Entry);
  }

  messages(...matches: string[]): string[] {
    return this.entries(...matches).map(({ MESSAGE = "" }) => MESSAGE);
  }

  async remove(): Promise<void> {
    if (this.isRunning) await this.kill();
    rmSync(this.#configuration, { recursive: true, force: true });
    rmSync(`/run/systemd/journal.${this.namespace}`, { recursive: true, force: true });
    for (const folder of globSync(`/{run,var}/log/journal/*.${this.namespace}`))
      rmSync(folder, { recursive: true, force: true });
  }
}

/** A journald for one test, or for the tests of a file. Skips the test if there is no program. */
export async function startJournal(context?: TestContext, settings?: readonly string[]): Promise<Journal> {
  if (context !== undefined) requireJournald(context);
  const journal = new Journal(settings);
  if (context !== undefined) onTestFinished(() => journal.remove());
  await journal.start();
  return journal;
}

export function requireJournald(context: TestContext): void {
  if (!hasJournald()) leaveOut(context, "systemd-journald, of Debian's package systemd");
}

/** Whether this machine has the program. */
export function hasJournald(): boolean {
  return existsSync(program);
}

function connection(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      socket.write("held open\n\n6\n0\n0\n0\n0\n");
      resolve(socket);
    });
    socket.on("error", reject).unref();
  });
}
