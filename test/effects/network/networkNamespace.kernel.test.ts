import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { checkNetworkNamespace } from "../../../src/effects/network/networkNamespace.ts";
import { errorOf } from "../../support/errors.ts";
import { requireTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

describe("the allocation's network namespace", () => {
  it("is accepted where the agent mounted one", (context) => {
    requireTools(context, "ip");
    const name = `exec2-test-${process.pid}`;
    execFileSync("ip", ["netns", "add", name]);
    onTestFinished(() => void execFileSync("ip", ["netns", "delete", name]));
    checkNetworkNamespace({ mode: "group", path: `/var/run/netns/${name}` });
    checkNetworkNamespace({ mode: "none", path: `/var/run/netns/${name}` });
  });

  it("is not needed in the host's network, nor if the driver creates one itself", () => {
    checkNetworkNamespace({ mode: "host", path: "" });
    checkNetworkNamespace({ mode: "none", path: "" });
  });

  it("is refused if it is only the empty file of an unmounted namespace", () => {
    const path = `${temporaryFolder()}/unmounted`;
    writeFileSync(path, "");
    expect(errorOf(() => checkNetworkNamespace({ mode: "group", path }))).toMatchObject({
      code: "NETWORK_NAMESPACE_INVALID",
      message: expect.stringContaining(`${path} is not a network namespace`),
      hint: expect.stringContaining("reboot"),
    });
  });

  it.each(["/proc/self/status", "/dev/null", "/tmp"])("is not %s", (path) => {
    expect(errorOf(() => checkNetworkNamespace({ mode: "group", path })).code).toBe(
      "NETWORK_NAMESPACE_INVALID",
    );
  });

  it("is refused where it is gone", () => {
    expect(
      errorOf(() => checkNetworkNamespace({ mode: "group", path: "/var/run/netns/exec2-gone" })),
    ).toMatchObject({
      code: "NETWORK_NAMESPACE_INVALID",
      failed: { call: "statfs", path: "/var/run/netns/exec2-gone", errno: "ENOENT" },
    });
  });

  it("is required in mode group, and never replaced by the host's", () => {
    expect(errorOf(() => checkNetworkNamespace({ mode: "group", path: "" })).code).toBe(
      "NETWORK_NAMESPACE_INVALID",
    );
  });
});
