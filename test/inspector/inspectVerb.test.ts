/** `inspect` on the command line. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { recordedCluster } from "../support/nomad/cluster.ts";
import { startNomad } from "../support/nomad/fakeNomad.ts";
import { call, start } from "../support/screen/commandLine.ts";
import { admission, get } from "../support/screen/inspector.ts";

describe("inspect", () => {
  it("prints a working address, and ends without an error when it is interrupted", async () => {
    const stateDir = temporaryFolder();
    const { child, seen, ended } = start(["inspect", "--port", "0", "--stately", "--state-dir", stateDir]);
    const url = /^http:\S+$/m.exec(await seen("ws://127.0.0.1:"))?.[0] ?? "";
    expect((await get(url, {})).body).toContain("<title>");
    expect(await get(new URL("/api/tasks", url).href, admission(url))).toMatchObject({ body: "[]" });
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("reads a cluster by Nomad's variables with --fleet, and needs no log then", async () => {
    const nomad = await startNomad(recordedCluster(), { tokens: { secret: ["jobs", "nodes"] } });
    onTestFinished(() => nomad.close());
    const stateDir = join(temporaryFolder(), "none");
    const env = { NOMAD_ADDR: nomad.address, NOMAD_TOKEN: "secret" };
    const args = ["inspect", "--port", "0", "--fleet", "loop", "--namespace", "*", "--state-dir", stateDir];
    const { child, seen, ended } = start(args, { env });
    const url = /^http:\S+$/m.exec(await seen("#/fleet\n"))?.[0] ?? "";
    const ask = async (path: string) => JSON.parse((await get(new URL(path, url).href, admission(url))).body);
    expect(await ask("/api/fleet")).toMatchObject({
      view: { job: "loop", namespace: "*", failed: 2, good: 0 },
    });
    expect(await ask("/api/status")).toMatchObject({ fleet: true, problems: [] });
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });

  it("reports invalid arguments at once", async () => {
    const folder = temporaryFolder();
    expect(await call(["inspect", join(folder, "none.jsonl")])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("BUNDLE_INVALID"),
    });
    writeFileSync(join(folder, "strange.jsonl"), "{}\n");
    expect((await call(["inspect", join(folder, "strange.jsonl")])).stderr).toContain("BUNDLE_INVALID");
    expect((await call(["inspect", "--port", "99999"])).code).not.toBe(0);
    expect(await call(["inspect", "--namespace", "web"])).toMatchObject({
      code: 1,
      stderr: "CONFIG_INVALID: --namespace is for inspect --fleet\n",
    });

    const other = createServer().listen(0, "127.0.0.1");
    onTestFinished(() => void other.close());
    await once(other, "listening");
    const port = String((other.address() as AddressInfo).port);
    const refused = await call(["inspect", "--port", port, "--state-dir", folder]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      new RegExp(`cannot listen on 127.0.0.1:${port}: address already in use\nhint: .*--port 0`),
    );
  });
});
