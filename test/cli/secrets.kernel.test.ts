/** No verb ever shows a value of the environment. Verbs show arguments of commands only with --show-args. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { call, shellJob } from "../support/screen/commandLine.ts";

const secret = "correct-horse-battery";
const argument = "staple-marker";

/** A template whose text goes to a file of the task and to its environment. */
const template = `template {\n data = "RENDERED=${secret}"\n destination = "secrets/file"\n env = true\n}`;

/** Two runs with different ends, and edits for one of them. */
async function recorded() {
  const stateDir = temporaryFolder();
  const job = (exitCode: number) =>
    shellJob(`: ${argument}${exitCode}; exit ${exitCode}`, `env {\n PASSWORD = "${secret}"\n}\n${template}`);
  const runs = [];
  for (const exitCode of [3, 0]) runs.push(await call(["run", "-v", "--state-dir", stateDir, job(exitCode)]));
  const { stdout } = await call(["events", "--json", "--state-dir", stateDir]);
  const [first = "", second = ""] = new Set(
    stdout
      .trim()
      .split("\n")
      .map((line) => (JSON.parse(line) as { readonly stream: string }).stream),
  );
  const edits = join(stateDir, "edits.json");
  writeFileSync(edits, '[{"drop": 5}, {"change": 1, "time": 1}]');
  return { stateDir, first, second, edits, runs, job: job(3) };
}

/** Every verb that shows events, and each of its forms. */
function callsOf({ first, second, edits, job }: Awaited<ReturnType<typeof recorded>>): readonly string[][] {
  const formats = ["table", "json", "jsonl", "mermaid"].map((format) => [
    "events",
    first,
    "--format",
    format,
  ]);
  return [
    ...formats,
    ["events", "--json"],
    ["events", "--format", "json"],
    ["replay", first],
    ["replay", first, "--json"],
    ["replay", first, "--what-if", edits],
    ["replay", first, "--what-if", edits, "--json"],
    ["diff", first, second],
    ["diff", first, second, "--json"],
    ["export", "--all"],
    ["doctor", "--plan", job],
  ];
}

describe("secrets", () => {
  it("are in no output: values of the environment never, arguments only where --show-args is given", {
    timeout: 180_000,
  }, async () => {
    const log = await recorded();
    const at = ["--state-dir", log.stateDir];
    for (const { stderr } of log.runs) {
      expect(stderr).toContain("requested");
      for (const hidden of [secret, argument]) expect(stderr).not.toContain(hidden);
    }
    for (const args of callsOf(log)) {
      const { stdout, stderr } = await call([...args, ...at]);
      expect(stderr, args.join(" ")).toBe("");
      expect(stdout.length, args.join(" ")).toBeGreaterThan(100);
      for (const hidden of [secret, argument]) expect(stdout, args.join(" ")).not.toContain(hidden);
      const shown = await call([...args, "--show-args", ...at]);
      // Shows that the search works: with --show-args the output has the argument.
      expect(shown.stdout, args.join(" ")).toContain(argument);
      expect(shown.stdout, args.join(" ")).not.toContain(secret);
    }
    for (const args of [
      ["why", log.first],
      ["why", log.first, "--json"],
      ["replay", "--check"],
      ["ps", "--all"],
      ["events"],
    ]) {
      const { stdout } = await call([...args, ...at]);
      for (const hidden of [secret, argument]) expect(stdout, args.join(" ")).not.toContain(hidden);
    }
  });
});
