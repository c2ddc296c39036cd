/** Ordinary programs as tasks, each at real work. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { requireTools, tryTools } from "../host/requireTools.ts";
import { type Agent, runTask, startAgent } from "./agent.ts";
import { makeAllocation } from "./allocation.ts";

export interface Program {
  /** What it needs, and scripts/setup.mjs installs. */
  readonly needs?: readonly string[];
  /** What it needs, and is tried where somebody has installed it. */
  readonly wants?: readonly string[];
  /** Of its own installation, what the default paths do not have. */
  readonly unveil?: readonly string[];
  /** Further options of the task. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Runs in the task's `local` folder, and ends with the first command that fails. */
  readonly script: string;
  /** All that it prints, or a pattern of that. */
  readonly out: string | RegExp;
  /** What it is to say on standard error. Default: nothing. */
  readonly err?: RegExp;
  /** In ms. */
  readonly timeout?: number;
}

/** A test for each program: it runs as a task, and prints what it should. */
export function testPrograms(programs: Readonly<Record<string, Program>>): void {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent({ options: { unveil_by_task: true } });
  });
  for (const [name, program] of Object.entries(programs)) {
    const { needs = [], wants = [], timeout = 60_000, out, err = /^$/ } = program;
    test(name, { timeout }, async (context) => {
      requireTools(context, ...needs);
      tryTools(context, ...wants);
      const ended = await run(agent, program);
      const printed = typeof out === "string" ? out : expect.stringMatching(out);
      expect(ended).toEqual({ exitCode: 0, signal: 0, out: printed, err: expect.stringMatching(err) });
    });
  }
}

/** Script lines that make key.pem and cert.pem for localhost. Needs openssl. */
export const makeCertificate = `
openssl req -config /dev/null -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem \\
  -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:TRUE 2> openssl.txt ||
  { cat openssl.txt; exit 1; }
`;

/** The paths in a folder whose names match, such as those that packages have for each version. */
export function pathsIn(folder: string, name: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((entry) => name.test(entry))
    .map((entry) => join(folder, entry));
}

/** Where Debian has the programs of the newest PostgreSQL; if it has none, a folder that is not there. */
export const postgresPrograms = `${pathsIn("/usr/lib/postgresql", /^\d+$/).at(-1) ?? "/nonexistent"}/bin`;

async function run(agent: Agent, { unveil = [], options = {}, script }: Program) {
  const allocation = makeAllocation();
  const resources = allocation.resources(allocation.cgroup.path, 1024);
  const command = { command: "sh", args: ["-ec", script], work_dir: "local", cpu_hard_limit: false };
  const config = allocation.config({ ...command, unveil, ...options }, { resources });
  const { exitCode, signal } = await runTask(agent, config);
  return { exitCode, signal, out: await allocation.stdout.text(), err: await allocation.stderr.text() };
}
