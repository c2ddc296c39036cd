/** The table of what a machine must have names every program that the tests start. */
import { globSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, it } from "vitest";
import { renewNeeds } from "../../scripts/generateNeeds.ts";
import { everywhere, groups, needs, packageOf } from "../../scripts/hostPackages.mjs";

const root = join(import.meta.dirname, "../..");

/** Names in tests that are no programs of a machine: tests make them, or expect that nobody has them. */
const made = new Set(["/usr/bin/app", "/usr/bin/command", "/usr/bin/x", "no-such-command", "nowhere"]);

/** Programs that a source starts, asks for, or names by their path. Only kernel tests run the commands of tasks. */
function programsIn(text: string, ofTasks: boolean): string[] {
  const started = text.matchAll(/\b(?:spawn|spawnSync|execFile|execFileSync)\(\s*"([^"]+)"/g);
  const tasks = ofTasks ? text.matchAll(/\bcommand: "([a-z][\w.-]+)"/g) : [];
  const lists = text.matchAll(
    /\b(?:needs|wants): \[([^\]]*)\]|\b(?:requireTools|tryTools)\(context, ([^)]*)\)/g,
  );
  const asked = [...lists].flatMap(([, list = "", others = ""]) => [
    ...`${list} ${others}`.matchAll(/"([^"]+)"/g),
  ]);
  const paths = text.matchAll(/"(\/usr\/s?bin\/[\w.-]+)"/g);
  return [...started, ...tasks, ...asked, ...paths].map(([, name]) => name ?? "");
}

const isKnown = (program: string) =>
  [program, basename(program)].some((name) => everywhere.has(name) || packageOf(name) !== undefined);

it("finds programs in sources", () => {
  const text =
    'spawnSync("one", []); x({ needs: ["two", "three"] }); requireTools(context, "four"); f("/usr/bin/five")';
  expect(programsIn(text, false)).toEqual(["one", "two", "three", "four", "/usr/bin/five"]);
  expect(programsIn('config({ command: "six" })', true)).toEqual(["six"]);
});

it("has each program that tests start", () => {
  const unknown = globSync("test/**/*.ts", { cwd: root, exclude: ["test/scripts/needs.test.ts"] }).flatMap(
    (path) => {
      const programs = programsIn(readFileSync(join(root, path), "utf8"), path.endsWith(".kernel.test.ts"));
      return programs
        .filter((program) => !made.has(program) && !isKnown(program))
        .map((program) => `${path}: ${program}`);
    },
  );
  expect(unknown).toEqual([]);
});

it("has each package and each command once, with groups that exist", () => {
  const packages = needs.map(({ from }) => from);
  expect(packages).toEqual([...new Set(packages)]);
  const commands = needs.flatMap(({ has }) => has);
  expect(commands).toEqual([...new Set(commands)]);
  expect(needs.flatMap(({ by }) => by.filter((each) => !groups.includes(each)))).toEqual([]);
});

it("is shown in docs/contributing/testing.md; npm run generate renews it", () => {
  const page = readFileSync(join(root, "docs/contributing/testing.md"), "utf8");
  for (const { from } of needs) expect(page).toContain(`\`${from}\``);
  expect(renewNeeds(page)).toBe(page);
});
