/** Tests that learned options suffice for ordinary programs, and that none of the options is superfluous. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Program } from "../../support/agent/programs.ts";
import { requireTools, tryTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { builtEntry } from "../../support/plugin/pluginEntry.ts";
import { call, type Ended } from "../../support/screen/commandLine.ts";
import { languages } from "../programs/languages.ts";
import { servers } from "../programs/servers.ts";
import { tools } from "../programs/tools.ts";
import { small } from "./small.ts";

const program = [builtEntry];

/** These programs take longer, so they run only twice: once to learn, and once with the learned options. */
const slow = /^(?:PostgreSQL|HAProxy|Java|Go)/;

describe.each(Object.entries({ ...small, ...tools, ...servers, ...languages }))("%s", (name, subject) => {
  const { needs = [], wants = [], out } = subject;
  const tries = slow.test(name) ? 2 : 40;

  test("works the same with the learned options as without a sandbox", {
    timeout: 240_000,
  }, async (context) => {
    requireTools(context, ...needs);
    tryTools(context, ...wants);
    const folder = temporaryFolder();
    const state = ["--state-dir", join(folder, "state")];
    const file = join(folder, "job.hcl");
    writeFileSync(file, jobOf(subject));
    const learned = await call(["run", "--learn", "--write", "--tries", `${tries}`, ...state, file], {
      program,
    });
    expect(learned).toMatchObject({ code: 0, stdout: expect.stringContaining("it did the same") });
    if (tries === 2) return;
    const { unveil, identity } = optionsIn(file);
    const works = printed(await call(["run", ...state, file], { program }));
    expect(works).toMatchObject({ code: 0, out: typeof out === "string" ? out : expect.stringMatching(out) });
    for (const entry of unveil) {
      writeFileSync(file, jobOf(subject, { unveil: unveil.filter((each) => each !== entry), identity }));
      expect(printed(await call(["run", ...state, file], { program })), `without ${entry}`).not.toEqual(
        works,
      );
    }
  });
});

/** A task's exit code and output, without the lines of `run` itself. */
function printed({ code, stdout, stderr }: Ended) {
  return { code, out: stdout, err: stderr.replaceAll(/^(?:warning: )?program: .*\n/gm, "") };
}

interface Options {
  readonly unveil: readonly string[];
  readonly identity: boolean;
}

function jobOf(
  { script, options = {} }: Program,
  { unveil, identity }: Options = { unveil: [], identity: false },
): string {
  const { identity_files: _, ...others } = options;
  const config = {
    command: "sh",
    args: ["-ec", script],
    work_dir: "local",
    cpu_hard_limit: false,
    ...others,
    ...(unveil.length > 0 ? { unveil } : {}),
    ...(identity ? { identity_files: true } : {}),
  };
  const lines = Object.entries(config).map(([name, value]) => `      ${name} = ${literal(value)}`);
  return `# learned
job "programs" {
  group "programs" {
    task "program" {
      driver = "exec2"
      config {
${lines.join("\n")}
      }
    }
  }
}
`;
}

function literal(value: unknown): string {
  return JSON.stringify(value).replaceAll(/[$%](?=\{)/g, (sign) => sign + sign);
}

function optionsIn(file: string): Options {
  const text = readFileSync(file, "utf8");
  const [, list = ""] = /\n +unveil = \[([^\]]*)\]/.exec(text) ?? [];
  const unveil = [...list.matchAll(/"([^"]+)"/g)].map(([, entry = ""]) => entry);
  return { unveil, identity: text.includes("identity_files = true") };
}
