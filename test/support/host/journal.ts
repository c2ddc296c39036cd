/**
 * A real systemd-journald, with a journal namespace of its own, which the host's does not see; or with the host's
 * journal, on a machine without one. Needs root.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, globSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { onTestFinished, type TestContext } from "vitest";
import { journalSocket } from "../../../src/effects/logs/journal.ts";
import { leaveOut } from "./requireTools.ts";
import { until } from "./until.ts";

const program = "/usr/lib/systemd/systemd-journald";

/** An entry of the journal: its fields. */
export type Entry = Readonly<Record<string, string>>;

export class Journal {
  readonly namespace: string | null;
  #process: ChildProcess | undefined;

  /**
   * @param settings lines of journald.conf(5)
   * @param namespace its name, which no other has; null for the host's journal
   */
  constructor(
    settings: readonly string[] = [],
    namespace: string | null = `exec2-${randomBytes(4).toString("hex")}`,
  ) {
    this.namespace = namespace;
    mkdirSync(this.#configuration, { recursive: true });
    // The kernel has one audit switch, which other tests need as it is.
    const own = ["[Journal]", "Audit=", "ReadKMsg=no", "Storage=volatile", "RuntimeMaxUse=64M"];
    // With a time to keep entries, the journald of a namespace does not end after half a minute without a stream.
    const lines = [...own, "MaxRetentionSec=1week", ...settings];
    writeFileSync(`${this.#configuration}/test.conf`, `${lines.join("\n")}\n`);
  }

  get #configuration(): string {
    return `/run/systemd/journald${this.#suffix("@")}.conf.d`;
  }

  get socket(): string {
    return journalSocket(this.namespace);
  }

  #suffix(separator: string): string {
    return this.namespace === null ? "" : `${separator}${this.namespace}`;
  }

  /** Starts it. Resolves once it takes streams. */
  async start(): Promise<void> {
    this.#process = spawn(program, this.namespace === null ? [] : [this.namespace], { stdio: "ignore" });
    await until(() => takesStreams(this.socket), `journald takes streams at ${this.socket}`);
  }

  get isRunning(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  signal(name: "SIGSTOP" | "SIGCONT" | "SIGKILL"): void {
    this.#process?.kill(name);
  }

  /** Kills it: its sockets stay without a listener. */
  async kill(): Promise<void> {
    const ended = Promise.withResolvers<void>();
    this.#process?.once("exit", () => ended.resolve());
    this.signal("SIGKILL");
    await ended.promise;
  }

  /** @param matches as journalctl(1) takes them, such as `-t` and an identifier */
  entries(...matches: string[]): Entry[] {
    const which = this.namespace === null ? [] : [`--namespace=${this.namespace}`];
    const args = [...which, "-o", "json", "--all", "--no-pager", ...matches];
    const lines = execFileSync("journalctl", args, { encoding: "utf8", maxBuffer: 2 ** 28 });
    return lines
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Entry);
  }

  messages(...matches: string[]): string[] {
    return this.entries(...matches).map(({ MESSAGE = "" }) => MESSAGE);
  }

  /** Ends it, and removes what it has left. The host's journal stays. */
  async remove(): Promise<void> {
    if (this.isRunning) await this.kill();
    rmSync(this.#configuration, { recursive: true, force: true });
    if (this.namespace === null) return;
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

function takesStreams(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
  });
}
