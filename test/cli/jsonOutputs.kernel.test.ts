/** Every verb prints with --json what docs/schemas says: of real tasks, and of recorded histories. */
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { observeProblem } from "../support/host/observeProblem.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { call, jobFileOf, shellJob, start } from "../support/screen/commandLine.ts";
import { expectToFit } from "../support/screen/jsonOutput.ts";

/** What was printed, by the verb. `fleet why` asks a cluster. */
const described = Object.keys(
  JSON.parse(readFileSync(join(import.meta.dirname, "../../docs/schemas/json.schema.json"), "utf8")).$defs,
).filter((output) => !output.startsWith("fleet "));

/** @returns what was printed, which fits its schema */
async function fitting(output: string, ...args: string[]): Promise<string> {
  const { stdout, stderr } = await call([...args, "--json"]);
  expect(expectToFit(output, stdout), `${args.join(" ")}: ${stderr}`).toBeGreaterThan(0);
  return stdout;
}

const rowsOf = (stdout: string) =>
  stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

it("of tasks of this host, and of files", { timeout: 300_000 }, async () => {
  const stateDir = temporaryFolder();
  const printed: string[] = [];
  const fits = async (output: string, ...args: string[]) => {
    printed.push(output);
    return fitting(output, ...args);
  };
  const here = ["--state-dir", stateDir];
  for (const script of ["exit 3", "cat /etc/shadow-none; exit 1", "kill -9 $$"])
    await fits("run", "run", "--verbose", ...here, shellJob(script));
  const job = shellJob("echo up; exec sleep 1000");
  const running = start(["run", "-o", "egress=192.0.2.7", ...here, job]);
  await running.seen("up");
  await fits("ps", "ps", "--all", ...here);
  await fits("top", "top", "--delay", "0.5", ...here);
  await fits("ls", "ls", ...here, "task", "/etc");
  await fits("egress", "egress", ...here, "task");
  await fits("egress --set", "egress", "--set", "192.0.2.7:80", ...here, "task");
  running.child.kill("SIGINT");
  await running.ended;
  for (const verb of ["wait", "why", "exposure", "replay", "diff"]) await fits(verb, verb, ...here, "task");
  await fits("may", "may", ...here, "task", "read", "/etc/passwd");
  await fits("events", "events", ...here);
  await fits("replay --check", "replay", "--check", ...here);
  await fits("replay --policy", "replay", "--policy", job, ...here);
  await fits("size", "size", ...here, "test");
  if ((await observeProblem("the JSON of policy")) === undefined) {
    const observed = shellJob("cat /etc/hostname");
    await call(["run", "-o", "observe=on", ...here, observed]);
    await fits("policy", "policy", ...here, "test");
    await fits("policy --candidate", "policy", "--candidate", observed, ...here, "test");
  }
  await call(["pin", ...here, "task", "--reason", "why not"]);
  await fits("pin", "pin", ...here);
  await fits("archive", "archive", "--older-than", "0s", "--into", temporaryFolder(), ...here);
  await fits("validate", "validate", jobFileOf('job "j" {\n group "g" {}\n}\n'));
  await fits("doctor", "doctor", ...here);
  await fits("version", "version");
  await fits(
    "uninstall",
    "uninstall",
    "--histories",
    "--dry-run",
    ...here,
    "--plugin-dir",
    temporaryFolder(),
  );
  const bundle = join(temporaryFolder(), "bundle.jsonl");
  writeFileSync(bundle, (await call(["export", "--all", ...here])).stdout);
  await fits("import", "import", bundle);
  const killed = start(["run", ...here, job]);
  await killed.seen("up");
  const plugin = killed.plugin();
  killed.child.kill("SIGKILL");
  process.kill(plugin, "SIGKILL");
  await killed.ended;
  const leftovers = rowsOf(await fits("clean", "clean", "--dry-run"));
  // Other tests have killed runs, too.
  const own = leftovers.filter(({ pid }) => pid === killed.child.pid);
  expect(own).toHaveLength(1);
  await fits("clean", "clean", own[0].folder);
  expect(described.filter((output) => !printed.includes(output))).toEqual([]);
});

const bundles = globSync("test/fixtures/histories/*.jsonl", { cwd: join(import.meta.dirname, "../..") });

it.each(bundles)("of the histories in %s", { timeout: 300_000 }, async (bundle) => {
  await fitting("import", "import", bundle);
  await fitting("events", "events", "--state-dir", bundle);
  await fitting("replay --check", "replay", "--check", bundle);
  const rows = rowsOf(await fitting("ps", "ps", "--all", "--state-dir", bundle));
  for (const { id } of rows.slice(0, 3)) {
    await fitting("why", "why", "--state-dir", bundle, id);
    await fitting("replay", "replay", "--state-dir", bundle, id);
  }
});
