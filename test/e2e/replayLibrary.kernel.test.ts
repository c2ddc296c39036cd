/** The library as a person uses it: from a project of their own, with their own test runner and types checked. */
import { execFile } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { call } from "../support/commandLine.ts";
import { asItIs, machineVariant } from "../support/machineVariant.ts";
import { temporaryFolder } from "../support/temporaryFolder.ts";

const root = join(import.meta.dirname, "../..");
const bundle = join(root, "test/fixtures/histories/schema1.jsonl");
const run = promisify(execFile);

/** A project in which the package is installed as `npm install <folder>` does it. */
function project(): string {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(root, join(folder, "node_modules/nomad-driver-exec2"));
  symlinkSync(join(root, "node_modules/@types"), join(folder, "node_modules/@types"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
  return folder;
}

const test = `import assert from "node:assert/strict";
import { test } from "node:test";
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

test("a task that stops when it is asked to parts from one that resists", () => {
  const { same, parting, rows } = diff(replay(bundle, "stops"), replay(bundle, "resists"));
  assert.equal(same, false);
  assert.equal(parting?.right?.stored.type, "stopRequested");
  assert.deepEqual(rows.filter(({ left }) => left === undefined).map(({ right }) => right?.stored.type), [
    "stopTimedOut",
    "forceKilled",
  ]);
});

test("all goes as it went", () => {
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
`;

describe("nomad-driver-exec2/replay", () => {
  it("serves tests of a project of its own", async () => {
    const folder = project();
    const path = join(folder, "history.test.ts");
    writeFileSync(path, test);
    const { stdout } = await run(process.execPath, ["--test", "--test-reporter=tap", path], {
      cwd: folder,
      env: { PATH: process.env.PATH },
    });
    expect(stdout).toContain("# pass 4\n# fail 0");
    const tsc = join(root, "node_modules/.bin/tsc");
    const options = ["--noEmit", "--strict", "--target", "es2024", "--module", "nodenext", "--types", "node"];
    await run(tsc, [...options, path], { cwd: folder }).catch(({ stdout: told }) => expect(told).toBe(""));
  });

  it("is in the package, with its types and the machine", async () => {
    const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: root });
    const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
    const paths = files.map(({ path }) => path);
    for (const name of ["replay.js", "machine.js", "types/replay/index.d.ts", "types/errors.d.ts"]) {
      expect(paths).toContain(`dist/replay/${name}`);
    }
  });
});

describe("the machine of a build", () => {
  it("is asked by replay --against, and so is one of another version", async () => {
    const against = (machine: string) => call(["replay", "--against", machine, bundle]);
    const built = await against(join(root, "dist/replay/machine.js"));
    expect(built).toMatchObject({ code: 0, stdout: expect.stringContaining("all proven") });
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
