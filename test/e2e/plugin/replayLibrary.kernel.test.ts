/** Uses the library as users do: from a separate project, with another test runner, and with a type check. */
import { execFile, execFileSync } from "node:child_process";
import { cpSync, symlinkSync, writeFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it, type TestContext } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { asItIs, machineVariant } from "../../support/history/machineVariant.ts";
import { leaveOut } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call } from "../../support/screen/commandLine.ts";

const root = join(import.meta.dirname, "../../..");
const bundle = join(root, "test/fixtures/histories/ends.jsonl");
const run = promisify(execFile);

/** The package's dependencies that the library's types need, and those of the tests. */
const installed = ["zod", "xstate", "@types"];

/** A project with the library and only the packages that it needs. */
function project(): string {
  const folder = temporaryFolder();
  const modules = join(folder, "node_modules");
  for (const path of ["package.json", "dist/replay", "dist/inspect"]) {
    cpSync(join(root, path), join(modules, "nomad-driver-exec2", path), { recursive: true });
  }
  for (const name of installed) symlinkSync(join(root, "node_modules", name), join(modules, name));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  return folder;
}

const test = `import assert from "node:assert/strict";
import { test } from "node:test";
import { statelyInspection, taskMachine, type StatelyMessage } from "nomad-driver-exec2/inspect";
import { createActor } from "xstate";
import { check, contextDiff, diff, isError, loadBundle, nextMoment, replay, whatIf, type Moment } from "nomad-driver-exec2/replay";

const bundle = await loadBundle(${JSON.stringify(bundle)});

test("the task that resisted its stop was killed", () => {
  const history = replay(bundle, "resists");
  const error: Moment | undefined = nextMoment(history, 0, isError);
  assert.equal(error?.stored.type, "stopTimedOut");
  const last = history.at(history.length);
  assert.equal(last.after.context.exit?.signal, 9);
  assert.deepEqual(contextDiff(error.before.context, error.after.context), [
    { path: ["stop", "timedOut"], before: false, after: true },
  ]);
});

test("a task that stops on request diverges from one that resists", () => {
  const [stops, resists] = [replay(bundle, "stops"), replay(bundle, "resists")];
  const { same, divergence, rows, left } = diff(stops, resists);
  assert.equal(same, false);
  assert.equal(divergence?.right?.stored.type, "stopRequested");
  assert.deepEqual(rows.filter(({ left }) => left === undefined).map(({ right }) => right?.stored.type), [
    "stopTimedOut",
    "forceKilled",
  ]);
  const argsIn = ({ events }: typeof left) => (events[0]?.data as { options: { args: string[] } }).options.args;
  assert.deepEqual(argsIn(left), argsIn(stops).map(() => "…"));
  assert.deepEqual(argsIn(diff(stops, resists, { showArgs: true }).left), argsIn(stops));
});

test("the machine decides as recorded", () => {
  assert.deepEqual(check(bundle).findings, []);
});

test("it would have stopped if it had been given more time", () => {
  const history = replay(bundle, "resists");
  const { seq } = nextMoment(history, 0, isError) ?? assert.fail();
  const forked = whatIf(history, [{ drop: seq }]);
  assert.equal(forked.history.at(seq).accepted, false);
  // @ts-expect-error Edits are checked.
  assert.throws(() => whatIf(history, [{ remove: 1 }, { drop: 999 }]), { code: "EDITS_INVALID" });
});

test("the machine announces its actor to an inspector", () => {
  const messages: StatelyMessage[] = [];
  const actor = createActor(taskMachine, { inspect: statelyInspection((message) => messages.push(message)) });
  actor.start();
  assert.equal(messages[0]?.type, "@xstate.actor");
});
`;

/** @returns the report of the tests, whether they passed or not */
async function runTests(node: string, folder: string, path: string): Promise<string> {
  const options = { cwd: folder, env: { PATH: process.env.PATH } };
  return run(node, ["--test", "--test-reporter=tap", path], options).then(
    ({ stdout }) => stdout,
    ({ stdout, stderr }) => `${stdout}${stderr}`,
  );
}

describe("nomad-driver-exec2/replay", () => {
  it("serves the tests of a separate project", async () => {
    const folder = project();
    const path = join(folder, "history.test.ts");
    writeFileSync(path, test);
    expect(await runTests(process.execPath, folder, path)).toContain("# pass 5\n# fail 0");
    const tsc = join(root, "node_modules/.bin/tsc");
    const options = ["--noEmit", "--strict", "--target", "es2024", "--module", "nodenext", "--types", "node"];
    await run(tsc, [...options, path], { cwd: folder }).catch(({ stdout: told }) => expect(told).toBe(""));
  });

  it("serves them on the oldest Node that the package supports", async (context) => {
    const folder = project();
    const path = join(folder, "history.test.mjs");
    writeFileSync(path, stripTypeScriptTypes(test));
    expect(await runTests(oldestNode(context), folder, path)).toContain("# pass 5\n# fail 0");
  });

  it("is in the package, with its types and the machine", async () => {
    const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: root });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    const types = ["replay/types/history/replay/index.d.ts", "inspect/types/inspector/stately/index.d.ts"];
    for (const name of ["replay/index.js", "replay/machine.js", "inspect/index.js", ...types]) {
      expect(paths).toContain(`dist/${name}`);
    }
  });
});

describe("the machine of a build", () => {
  it("is used by replay --against, and so is the machine of another version", async () => {
    const against = (machine: string) => call(["replay", "--against", machine, bundle]);
    const built = await against(join(root, "dist/replay/machine.js"));
    expect(built).toMatchObject({ code: 0, stdout: expect.stringContaining("all verified") });
    expect(await against(await machineVariant(asItIs))).toMatchObject({ code: 0 });
    const broken = await against(
      await machineVariant((source) =>
        source.replace('started: { target: "running"', 'started: { target: "lost"'),
      ),
    );
    expect(broken).toMatchObject({ code: 1, stderr: "" });
    expect(broken.stdout).toMatch(/now +sandboxed → lost +releaseRun/);
    expect(broken.stdout).toMatch(/6 tasks not as recorded\n$/);
  });
});

/**
 * The path of a Node of the oldest major version that package.json's `engines` allows. It need not be this
 * project's own Node: the system may have it.
 */
function oldestNode(context: TestContext): string {
  const major = /^>=(\d+)$/.exec(manifest.engines.node)?.[1] ?? "none";
  const folders = [...(process.env.PATH ?? "").split(":"), "/usr/local/bin", "/usr/bin"];
  const candidates = folders.flatMap((folder) => [join(folder, "node"), join(folder, "nodejs")]);
  return candidates.find((path) => versionOf(path) === major) ?? leaveOut(context, `Node ${major}`);
}

function versionOf(path: string): string | undefined {
  try {
    return /^v(\d+)\./.exec(execFileSync(path, ["--version"], { encoding: "utf8" }))?.[1];
  } catch {
    return undefined;
  }
}
