/** `export`, `import` and the verbs that take bundles, from end to end. */
import { generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bundleLines } from "../../../src/history/replay/bundle/exportBundle.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { openEventStore } from "../../../src/store/lmdb/lmdbEventStore.ts";
import { event, life } from "../../support/history/history.ts";
import { RecordedLog } from "../../support/history/recordedLog.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { call, shellJob } from "../../support/screen/commandLine.ts";

const secret = "correct-horse-battery";
const argument = "staple-marker";

/** A file with a bundle of one run, and the state folder of the run. */
async function exported(...options: string[]) {
  const stateDir = temporaryFolder();
  const job = shellJob(`: ${argument}; exit 3`, `env {\n PASSWORD = "${secret}"\n}`);
  await call(["run", "--state-dir", stateDir, job]);
  const { stdout, code } = await call(["export", "task", "--state-dir", stateDir, ...options]);
  expect(code).toBe(0);
  const bundle = join(temporaryFolder(), "bundle.jsonl");
  writeFileSync(bundle, stdout);
  return { stateDir, bundle, text: stdout };
}

describe("a bundle of a run", () => {
  it("is replayed byte for byte like its state folder, wherever it is opened", async () => {
    const { stateDir, bundle, text } = await exported();
    expect(text).toContain("PASSWORD");
    for (const hidden of [secret, argument]) expect(text).not.toContain(hidden);
    const original = await call(["replay", "task", "--state-dir", stateDir]);
    expect(original.stdout).toContain("exit.exitCode 3");
    const folder = join(temporaryFolder(), "report");
    const imported = await call(["import", bundle, "--to", folder]);
    expect(imported).toMatchObject({ code: 0, stderr: "" });
    expect(imported.stdout).toMatch(/^Exported .* arguments masked:\n {2}\S+\/task\/\S+ {2}6 events\n/);
    expect(imported.stdout).toContain("all verified");
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    for (const place of [[bundle], ["--state-dir", bundle], ["task", "--state-dir", folder]]) {
      expect(await call(["replay", ...place])).toEqual(original);
      const { stdout } = await call(["events", ...place]);
      expect(stdout).toContain("exit code 3");
      expect((await call(["replay", "--check", ...place])).stdout).toContain("all verified");
    }
    expect(readdirSync(folder)).toEqual(["bundle.jsonl"]);
    const json = JSON.parse((await call(["import", bundle, "--json"])).stdout);
    expect(json).toMatchObject({ masked: true, tasks: [{ events: 6 }], check: { findings: [], streams: 1 } });
  });

  it("shows the resource usage of its task", async () => {
    const stateDir = temporaryFolder();
    await call(["run", "--state-dir", stateDir, shellJob("sleep 2")]);
    const bundle = join(temporaryFolder(), "bundle.jsonl");
    writeFileSync(bundle, (await call(["export", "task", "--state-dir", stateDir])).stdout);
    const explained = await call(["why", bundle]);
    expect(explained.stdout).toMatch(/It used .* on average/);
    expect(explained).toEqual(await call(["why", "task", "--state-dir", stateDir]));
  });

  it("can have arguments on request", async () => {
    const { stateDir, bundle, text } = await exported("--show-args");
    expect(text).toContain(argument);
    expect(text).not.toContain(secret);
    const original = await call(["replay", "task", "--show-args", "--state-dir", stateDir]);
    expect(original.stdout).toContain(argument);
    expect(await call(["replay", bundle, "--show-args"])).toEqual(original);
    expect((await call(["replay", bundle])).stdout).not.toContain(argument);
  });

  it("is refused if it is truncated, or not a bundle", async () => {
    const { bundle, text } = await exported();
    writeFileSync(bundle, text.slice(0, -300));
    for (const args of [
      ["replay", bundle],
      ["import", bundle],
      ["events", bundle],
    ]) {
      expect(await call(args)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^BUNDLE_INVALID: .*ends before the end of event 6/),
      });
    }
    expect(await call(["replay", "--check", bundle])).toMatchObject({ code: 2 });
    const foreign = await call(["import", import.meta.filename]);
    expect(foreign).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("it has no bundle header"),
    });
    const missing = await call(["import", "/nonexistent.jsonl"]);
    expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining("BUNDLE_INVALID") });
  });

  it("with one changed event still shows the other tasks, and the events before the changed one", async () => {
    const path = join(temporaryFolder(), "b.jsonl");
    const lines = readFileSync("test/fixtures/histories/ends.jsonl", "utf8").split("\n");
    const damaged = lines.map((line) =>
      /"type":"stopRequested".*/.test(line) ? line.replace("running", "Running") : line,
    );
    writeFileSync(path, damaged.join("\n"));
    const { code, stdout, stderr } = await call(["events", "--state-dir", path]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: the log is damaged: event 5 of \S+ is not as it was stored/);
    expect(stdout).toMatch(/^resists .* damaged .* event 5, see replay --check$/m);
    expect(stdout).toMatch(/^fails .* failed .* exit code 7$/m);
    expect((await call(["why", `${path}:fails`])).stdout).toContain("exit code 7");
    expect((await call(["events", `${path}:fails`])).stdout).toContain("exit code 7");
    const resists = `${path}:resists`;
    const events = await call(["events", resists]);
    expect(events.stdout).toMatch(/^ *5 .* damaged +running → stopping +its bytes have changed/m);
    expect(events.stdout).toContain("forceKilled");
    const replayed = await call(["replay", resists]);
    expect(replayed.stdout).toMatch(/^ *5 {2}damaged {2}running → stopping/m);
    expect(replayed.stdout).toMatch(/^ *6 {2}signalled {2}stopping /m);
    const why = await call(["why", resists]);
    expect(why.stdout).toContain("SIGKILL");
    for (const { code, stderr } of [events, replayed, why]) {
      expect(code).toBe(0);
      expect(stderr).toContain("warning: the log is damaged: event 5");
    }
    const again = join(temporaryFolder(), "again.jsonl");
    writeFileSync(again, (await call(["export", "--all", "--state-dir", path])).stdout);
    for (const bundle of [path, again]) {
      const { code, stdout } = await call(["replay", "--check", "--state-dir", bundle]);
      expect(code).toBe(1);
      expect(stdout).toMatch(/resists\/\S+, event 5: it (does not have the form of an event|was changed)/);
      expect(stdout).toContain("2 tasks not as recorded");
    }
  });

  it("with a signature that does not fit, or with none, is told from a damaged one", async () => {
    const folder = temporaryFolder();
    const keys = ["own", "other"].map((name) => {
      const { privateKey, publicKey } = generateKeyPairSync("ed25519");
      const [own, shared] = [join(folder, name), join(folder, `${name}.pub`)];
      writeFileSync(own, privateKey.export({ type: "pkcs8", format: "pem" }));
      writeFileSync(shared, publicKey.export({ type: "spki", format: "pem" }));
      return { own, shared };
    });
    const [{ own, shared }, other] = keys as [(typeof keys)[0], (typeof keys)[0]];
    const source = "test/fixtures/histories/ends.jsonl";
    const bundle = join(folder, "signed.jsonl");
    writeFileSync(bundle, (await call(["export", "--all", "--state-dir", source, "--sign", own])).stdout);
    const check = (path: string, key: string, ...more: string[]) =>
      call(["replay", "--check", "--state-dir", path, "--key", key, ...more]);
    expect(await check(bundle, shared)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("all verified"),
    });
    for (const verb of [
      ["replay", "--check", "--state-dir", bundle],
      ["import", bundle],
    ]) {
      const unknown = await call(verb);
      expect(unknown.code).toBe(0);
      expect(unknown.stdout).toMatch(
        /: all intact, and unchanged since somebody signed it \(key [0-9a-f]{32}, unknown to you/,
      );
      expect(unknown.stdout).not.toContain("verified");
    }
    const changed = join(folder, "changed.jsonl");
    const signed = readFileSync(bundle, "utf8");
    writeFileSync(changed, signed.replace('"samples":[]', '"samples": []'));
    expect(readFileSync(changed, "utf8")).not.toBe(signed);
    const late = await call(["replay", "--check", "--state-dir", changed]);
    expect([late.code, late.stdout]).toEqual([
      1,
      expect.stringContaining("SIGNATURE_INVALID: the bundle was changed after it was signed"),
    ]);
    const strange = await check(bundle, other.shared);
    expect(strange.code).toBe(1);
    expect(strange.stdout).toMatch(/^SIGNATURE_INVALID: the bundle's signature does not fit/m);
    expect(strange.stdout).toContain(": all intact, but the signature does not fit");
    expect(strange.stdout).not.toContain("damaged");
    const { stdout } = await check(bundle, other.shared, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ damage: [], signature: { code: "SIGNATURE_INVALID" } });
    const unsigned = await check(source, shared);
    expect(unsigned.code).toBe(1);
    expect(unsigned.stdout).toMatch(/^SIGNATURE_MISSING: /m);
    expect(unsigned.stdout).toContain(": all intact, but not signed");
  });

  it("of another host prints no control sequences", async () => {
    const orders = "\x1b]0;title\x07\x1b[2J\x9b6n\rshop";
    const events = [
      event("requested", { jobId: orders, taskName: orders }),
      event("startFailed", { message: orders }),
    ];
    const recorded = new RecordedLog().add(`a/${orders}/1`, events);
    const reader = recorded.reader();
    const path = join(temporaryFolder(), "b.jsonl");
    const streams = recorded.heads.map((head) => ({ head, reader }));
    writeFileSync(path, `${[...bundleLines(streams, { mask: true, now: 0 })].join("\n")}\n`);
    for (const args of [
      ["events", path],
      ["why", path],
      ["diff", path, path],
      ["import", path],
      ["why", `${path}:x`],
    ]) {
      const { stdout, stderr } = await call(args);
      const lines = `${stdout}${stderr}`.split("\n");
      expect(lines.join(" "), args.join(" ")).toContain("]0;title");
      for (const line of lines) expect(line, args.join(" ")).not.toMatch(/\p{Cc}/u);
    }
  });

  it("is not imported over an existing folder", async () => {
    const { stateDir, bundle } = await exported();
    const before = readdirSync(stateDir);
    const { code, stderr } = await call(["import", bundle, "--to", stateDir]);
    expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining("is not empty") });
    expect(readdirSync(stateDir)).toEqual(before);
  });
});

describe("a bundle of several tasks", () => {
  it("contains the named tasks, or all tasks with --all", async () => {
    const stateDir = temporaryFolder();
    const recorded = new RecordedLog().add("a/web/1", life("killed")).add("b/db/1", life("lost"));
    const store = await openEventStore(stateFolderPaths(stateDir).events);
    for (const { stream } of recorded.heads) await store.append(stream, 0, recorded.events(stream));
    await store.close();
    const path = join(temporaryFolder(), "b.jsonl");
    const all = await call(["export", "--all", "--state-dir", stateDir]);
    writeFileSync(path, all.stdout);
    expect((await call(["replay", "--check", path])).stdout).toMatch(/^16 events of 2 tasks/);
    expect((await call(["replay", "db", "--state-dir", path])).stdout).toMatch(/lost/);
    expect((await call(["replay", path])).stdout).toMatch(
      /^newest of 2 runs of 2 tasks; others: exit 0\n.* b\/db\/1: 6 events\n/,
    );
    const one = await call(["export", "db", "b", "--state-dir", stateDir]);
    expect(one.stdout.trimEnd().split("\n")).toHaveLength(8);
    expect(await call(["export", "--state-dir", stateDir])).toMatchObject({ code: 1 });

    const edits = join(temporaryFolder(), "edits.json");
    writeFileSync(edits, '[{"drop": 7}]');
    const forked = await call(["replay", "web", "--what-if", edits, "--state-dir", path]);
    expect(forked.stdout).toContain("As recorded up to event 6; then, instead:");
    expect(forked.stdout).toContain("the machine rejects it; the recording has killing → killing []");
    expect(forked.stdout).toMatch(/The task still ends in destroyed\.\n$/);
    writeFileSync(edits, "[]");
    const wrong = await call(["replay", "web", "--what-if", edits, "--state-dir", path]);
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining("EDITS_INVALID") });
    expect(readFileSync(path, "utf8")).toBe(all.stdout);
  });
});
