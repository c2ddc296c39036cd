import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { optionTable, renewPage } from "../../scripts/generateConfiguration.ts";
import { pluginSchema } from "../../src/driver/options/pluginOptions.ts";
import { hclName } from "../../src/effects/options/hclOptions.ts";
import { taskSchema } from "../../src/effects/parts.ts";
import { checkFile } from "../../src/localAgent/files/checkFile.ts";
import { jobFile } from "../../src/localAgent/jobspec/jobFile.ts";

const page = readFileSync(`${import.meta.dirname}/../../docs/configuration.md`, "utf8");
const schemas = { plugin: pluginSchema, task: taskSchema() };
const fields = Object.entries(schemas).flatMap(([owner, { shape }]) =>
  Object.entries(shape).map(([key, field]) => ({ owner, key, field })),
);

test("the committed pages are what `npm run generate` makes", () => {
  expect(renewPage(page)).toBe(page);
  for (const name of ["install", "security"] as const) {
    const other = readFileSync(`${import.meta.dirname}/../../docs/${name}.md`, "utf8");
    expect(renewPage(other, name)).toBe(other);
  }
});

test.each(fields)("the example of the $owner option $key is a valid value", ({ field }) => {
  expect(field.safeParse(field.meta()?.example).error).toBeUndefined();
});

test("a table has name, type, default, meaning and an example of each option", () => {
  const schema = z.object({
    someWord: z.string().meta({ description: "a word", example: "x" }),
    howOften: z.number().default(2).meta({ description: "times", example: 3 }),
    ports: z
      .array(z.number())
      .optional()
      .meta({ description: "ports", example: [80, 443] }),
    mode: z.enum(["a", "b"]).default("a").meta({ description: "mode", example: "b" }),
    limits: z
      .array(z.record(z.string(), z.string()))
      .default([])
      .meta({ description: "limits", example: [{ core: "0" }] }),
  });
  expect(optionTable(schema).split("\n").slice(2)).toEqual([
    '| `some_word` | string | required | a word | `some_word = "x"` |',
    "| `how_often` | number | `2` | times | `how_often = 3` |",
    "| `ports` | list of numbers |  | ports | `ports = [80, 443]` |",
    '| `mode` | `"a"` or `"b"` | `"a"` | mode | `mode = "b"` |',
    '| `limits` | block |  | limits | `limits { core = "0" }` |',
  ]);
});

test.each([z.object({ bare: z.string() }), z.object({ bare: z.string().meta({ description: "half" }) })])(
  "an option without a description or an example is an error that names the option",
  (schema) => {
    expect(() => optionTable(schema)).toThrow("bare has no description or no example");
  },
);

test("a page without the generator's marks is refused", () => {
  expect(() => renewPage("# Configuration")).toThrow("no marks for its plugin options");
});

const profiles = `seccomp_profiles {
  offline = ["-socket"]
  browser = ["+chroot"]
}`;

/** What an option needs beside it. */
const around: Readonly<Record<string, string>> = {
  "plugin seccomp": profiles,
  "plugin allowSeccomp": profiles,
  "task rootDirWritable": 'root_dir = "local/rootfs"',
};

/** The last column of the table of each option. */
function exampleOf(owner: string, name: string): string | undefined {
  const [, table = ""] = page.split(`<!-- generated: ${owner} options -->`);
  const row = table.split("\n").find((line) => line.startsWith(`| \`${name}\` |`));
  return /\| `([^`]+)` \|$/.exec(row ?? "")?.[1];
}

test.each(fields)("the example of the $owner option $key is valid in a file", async ({ owner, key }) => {
  const example = exampleOf(owner, hclName(key));
  expect(example).toBeDefined();
  const command = key === "command" ? "" : 'command = "true"';
  const source =
    owner === "plugin"
      ? `plugin "nomad-driver-exec2" {
           config {
             ${around[`${owner} ${key}`] ?? ""}
             ${example}
           }
         }`
      : `job "j" {
           group "g" {
             volume "v" {
               type   = "host"
               source = "v"
             }
             task "t" {
               driver = "exec2"
               volume_mount {
                 volume      = "v"
                 destination = "/srv/data"
               }
               resources {
                 cores = 1
               }
               config {
                 ${command}
                 ${around[`${owner} ${key}`] ?? ""}
                 ${example}
               }
             }
           }
         }`;
  const config = { stateDir: "/x", pluginConfig: { unveil_by_task: true } };
  await expect(
    checkFile(jobFile("x.hcl", source), { given: {}, environment: {} }, config),
  ).resolves.toBeDefined();
});
