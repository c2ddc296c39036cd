/**
 * The fenced blocks of README.md and docs: those in HCL are valid, those for a shell call verbs with options that
 * exist. A block that is no such thing has a comment `<!-- not checked: WHY -->` before it.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
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

const root = join(import.meta.dirname, "../..");
const docs = (readdirSync(join(root, "docs"), { recursive: true }) as string[]).filter((name) =>
  name.endsWith(".md"),
);
const pages = ["README.md", "CONTRIBUTING.md", ...docs.map((name) => `docs/${name}`)];

interface Block {
  /** Page and line, such as `docs/run.md:42`. */
  readonly place: string;
  readonly language: string;
  readonly text: string;
}

const blocks: Block[] = pages.flatMap((page) => {
  const source = readFileSync(join(root, page), "utf8");
  const fences = source.matchAll(/(<!-- not checked: \S.* -->\n+)?^```(\w+)\n(.*?)^```$/gms);
  return [...fences].flatMap(({ 1: mark, 2: language = "", 3: text = "", index }) => {
    const line = source.slice(0, index).split("\n").length;
    return mark === undefined ? [{ place: `${page}:${line}`, language, text }] : [];
  });
});
const written = blocks.filter(({ language }) => language === "hcl");

const pluginNames = new Set(Object.keys(pluginSchema.shape).map(hclName));

/** A whole file of which the text is a part. */
function wholeFile(text: string): string {
  const [first = ""] = /^\w+/m.exec(text) ?? [];
  if (first === "job" || first === "plugin" || first === "plugin_dir") return text;
  if (pluginNames.has(first)) return `plugin "nomad-driver-exec2" {\nconfig {\n${text}}\n}\n`;
  if (first !== "task") return wholeFile(`task "t" {\ndriver = "exec2"\n${text}}\n`);
  // What parts of tasks refer to.
  const around = `network {\nport "http" {}\n}\nvolume "data" {\ntype = "host"\nsource = "data"\n}\n`;
  return `job "j" {\ngroup "g" {\n${around}${text}}\n}\n`;
}

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
    [...readFileSync(join(root, page), "utf8").matchAll(/npm run ([\w:]+)/g)].map(([, name = ""]) => name),
  );
  expect(called.length).toBeGreaterThan(20);
  expect(called.filter((name) => !scripts.includes(name))).toEqual([]);
});
