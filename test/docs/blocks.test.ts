/**
 * The fenced blocks of README.md and docs: those in HCL are valid, those for a shell call verbs with options that
 * exist, and a test runs them, or a comment `<!-- not run: WHY -->` before them says why none does.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { createProgram, normalizeArguments } from "../../src/cli/cli.ts";
import { pluginSchema } from "../../src/driver/options/pluginOptions.ts";
import { hclName } from "../../src/effects/options/hclOptions.ts";
import { checkFile } from "../../src/localAgent/files/checkFile.ts";
import { readServerValues } from "../../src/localAgent/files/serverValues.ts";
import { jobFile } from "../../src/localAgent/jobspec/jobFile.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { blocksOf, pages, textOf } from "../support/pages/blocks.ts";

const root = join(import.meta.dirname, "../..");
const blocks = pages.flatMap(blocksOf);
const written = blocks.filter(({ language }) => language === "hcl");

const pluginNames = new Set(Object.keys(pluginSchema.shape).map(hclName));

const plainTask = `task "t" {\ndriver = "exec2"\nconfig {\ncommand = "true"\n}\n}\n`;

/** A whole file of which the text is a part. */
function wholeFile(text: string): string {
  const [first = ""] = /^\w+/m.exec(text) ?? [];
  if (first === "job" || first === "plugin" || first === "plugin_dir") return text;
  if (pluginNames.has(first)) return `plugin "nomad-driver-exec2" {\nconfig {\n${text}}\n}\n`;
  if (first === "constraint") return `job "j" {\n${text}group "g" {\n${plainTask}}\n}\n`;
  if (first !== "task") return wholeFile(`task "t" {\ndriver = "exec2"\n${text}}\n`);
  // What parts of tasks refer to.
  const around = `network {\nport "http" {}\n}\nvolume "data" {\ntype = "host"\nsource = "data"\n}\n`;
  return `job "j" {\ngroup "g" {\n${around}${text}}\n}\n`;
}

/** The tests that run a page's commands. */
const runBy: Readonly<Record<string, string>> = {
  "docs/debugging.md": "test/docs/debugging.test.ts",
  "docs/install.md": "test/e2e/package/installGuide.kernel.test.ts",
  "docs/quickstart.md": "test/docs/quickstart.kernel.test.ts",
};
/** Runs what is left. */
const runner = "test/docs/pages.kernel.test.ts";

test("a block is valid HCL, run by a test, marked with why it is not run, or no command", () => {
  expect(new Set(blocks.map(({ language }) => language))).toEqual(
    new Set(["hcl", "sh", "console", "text", "json", "yaml", "ts", "mermaid"]),
  );
  const run = blocks.filter(
    ({ language, notRun }) => (language === "sh" || language === "console") && notRun === undefined,
  );
  const untested = run.filter(({ page }) => {
    const test = readFileSync(join(root, runBy[page] ?? runner), "utf8");
    return !test.includes(page.replace("docs/", ""));
  });
  expect(untested.map(({ place }) => place)).toEqual([]);
  const shown = blocks.filter(
    ({ language, text }) => language === "text" && /^(?:\$ |nomad-driver-exec2 )/m.test(text),
  );
  expect(shown.map(({ place }) => place)).toEqual([]);
});

test("a mark stands before a command", () => {
  const marks = pages.flatMap((page) => [...textOf(page).matchAll(/^<!-- not run/gm)]);
  const marked = blocks.filter(({ notRun }) => notRun !== undefined);
  expect(marked.length).toBe(marks.length);
  expect(marked.filter(({ language }) => language !== "sh" && language !== "console")).toEqual([]);
});

test("the pages have blocks in HCL", () => expect(written.length).toBeGreaterThan(20));

test.each(written)("the HCL at $place is valid", async ({ text }) => {
  if (text.startsWith("# values.hcl")) {
    const path = join(temporaryFolder(), "values.hcl");
    writeFileSync(path, text);
    const values = await readServerValues(path);
    expect(Object.keys(values)).not.toEqual([]);
    return;
  }
  const config = { stateDir: "/x", pluginConfig: { unveil_by_task: true } };
  const { kind } = await checkFile(jobFile("x.hcl", wholeFile(text)), { given: {}, environment: {} }, config);
  expect(kind).not.toBe("agent");
});

/** The words of a command, without a comment, and up to a pipe, a redirection or `&`. */
function wordsOf(command: string): string[] {
  const words = [...command.matchAll(/'([^']*)'|"([^"]*)"|([^\s"']+)/g)];
  const end = words.findIndex(([, , , bare]) => bare !== undefined && /^(?:#|[|>&<]|\d>)/.test(bare));
  return words
    .slice(0, end === -1 ? undefined : end)
    .map(([, single, double, bare]) => single ?? double ?? bare ?? "");
}

const commands = blocks
  .filter(({ language }) => language === "sh" || language === "console")
  .flatMap(({ place, text }) =>
    [...text.matchAll(/^(?:\$ )?(?:[\w./]*\/)?nomad-driver-exec2 (.+)$/gm)].map(([, command = ""]) => ({
      place,
      command,
    })),
  );

/** The program, whose verbs do nothing. */
function parser(): Command {
  const program = createProgram(() => {});
  const silence = (command: Command): void => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
    command.action(() => {});
    for (const each of command.commands) silence(each);
  };
  for (const each of program.commands) silence(each);
  return program;
}

test("the pages have commands", () => expect(commands.length).toBeGreaterThan(60));

test.each(commands)("the command at $place can be parsed: $command", async ({ command }) => {
  await parser().parseAsync(normalizeArguments(wordsOf(command)), { from: "user" });
});

test("a verb, an option or an argument that does not exist is noticed", async () => {
  for (const wrong of ["explain web", "ps --al", "may", "why web db cache"]) {
    await expect(
      parser().parseAsync(normalizeArguments(wordsOf(wrong)), { from: "user" }),
      wrong,
    ).rejects.toThrow();
  }
});

const scripts = Object.keys(
  (JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object }).scripts,
);

test("the npm scripts that the pages call exist", () => {
  const called = pages.flatMap((page) =>
    [...textOf(page).matchAll(/npm run ([\w:]+)/g)].map(([, name = ""]) => name),
  );
  expect(called.length).toBeGreaterThan(20);
  expect(called.filter((name) => !scripts.includes(name))).toEqual([]);
});
