/** Ordinary programs as tasks, each with real work. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { requireTools, tryTools } from "../host/requireTools.ts";
import { type Agent, runTask, startAgent } from "./agent.ts";
import { makeAllocation } from "./allocation.ts";

export interface Program {
  /** Programs that the script needs, and that scripts/setup.mjs installs. */
  readonly needs?: readonly string[];
  /** Programs that the script needs. The test runs only if they are installed. */
  readonly wants?: readonly string[];
  /** Paths of the program's installation that are not default paths. */
  readonly unveil?: readonly string[];
  /** Further options of the task. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** The script. It runs in the task's `local` folder, and ends at the first command that fails. */
  readonly script: string;
  /** The expected output, or a pattern of it. */
  readonly out: string | RegExp;
  /** The expected standard error. Default: empty. */
  readonly err?: RegExp;
  /** In ms. */
  readonly timeout?: number;
}

/** Defines a test for each program, which runs as a task and must print the expected output. */
export function testPrograms(programs: Readonly<Record<string, Program>>): void {
  let agent: Agent;
  beforeAll(async () => {
    agent = await startAgent({ options: { unveil_by_task: true } });
  });
  for (const [name, program] of Object.entries(programs)) {
    const { needs = [], wants = [], timeout = 120_000, out, err = /^$/ } = program;
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

/**
 * Script lines that make haproxy.cfg for two threads, which answer every request with "served".
 * @param bind the address and its options
 */
export const haproxyConfig = (bind: string): string => `
cat > haproxy.cfg <<'END'
global
  nbthread 2
defaults
  mode http
  timeout connect 60s
  timeout client 60s
  timeout server 60s
frontend front
  bind ${bind}
  http-request return status 200 content-type text/plain string served
END
`;

/** The paths in a folder whose names match, such as folders with a version in their names. */
function pathsIn(folder: string, name: RegExp): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((entry) => name.test(entry))
    .map((entry) => join(folder, entry));
}

/**
 * Debian's folder with the programs of the newest PostgreSQL; a folder that does not exist if none is
 * installed.
 */
export const postgresPrograms = `${pathsIn("/usr/lib/postgresql", /^\d+$/).at(-1) ?? "/nonexistent"}/bin`;

async function run(agent: Agent, { unveil = [], options = {}, script }: Program) {
  const allocation = makeAllocation();
  const resources = allocation.resources(allocation.cgroup.path, 1024);
  const command = { command: "sh", args: ["-ec", script], work_dir: "local", cpu_hard_limit: false };
  const config = allocation.config({ ...command, unveil, ...options }, { resources });
  const { exitCode, signal } = await runTask(agent, config);
  return { exitCode, signal, out: await allocation.stdout.text(), err: await allocation.stderr.text() };
}
