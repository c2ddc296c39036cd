/** `inspect` on the command line. */
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
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

  it("reports invalid arguments at once", async () => {
    const folder = temporaryFolder();
    expect(await call(["inspect", join(folder, "none.jsonl")])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("BUNDLE_INVALID"),
    });
    writeFileSync(join(folder, "strange.jsonl"), "{}\n");
    expect((await call(["inspect", join(folder, "strange.jsonl")])).stderr).toContain("BUNDLE_INVALID");
    expect((await call(["inspect", "--port", "99999"])).code).not.toBe(0);

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
