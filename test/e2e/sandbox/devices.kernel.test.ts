/** Devices as a device plugin reserves them for a task. */

import { spawnSync } from "node:child_process";
import { chmodSync, chownSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { landlockAbi } from "../../../src/effects/landlock/ruleset.ts";
import type { Device } from "../../../src/grpc/generated/nomad/driver.ts";
import { type Agent, runTask, startAgent } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { expectRefusal } from "../../support/agent/refusal.ts";
import { persistentFolders, temporaryFolder } from "../../support/host/temporaryFolder.ts";

let agent: Agent;
beforeAll(async () => {
  // Runs tasks in the host's tree, where only Landlock protects other devices.
  agent = await startAgent({ options: { root: "host" } });
});

/** Reads from the device, writes to it, and makes an ioctl that only terminals support. */
const attempts = `
  for my $way (["read", O_RDONLY], ["write", O_WRONLY]) {
    my $opened = sysopen my $file, $ARGV[0], $way->[1];
    print "$way->[0] ", $opened ? "ok" : $!, "\\n";
    print "ioctl ", (ioctl $file, 0x5401, my $buffer = "\\0" x 64) ? "ok" : $!, "\\n" if $opened;
  }`;

describe("a device", () => {
  // /dev/zero is a default path for reading; these devices are not.
  test.each<[string, string, string[]]>([
    ["rw", "/dev/random", ["read ok", "ioctl EXPECTED", "write ok", "ioctl EXPECTED"]],
    ["r", "/dev/random", ["read ok", "ioctl EXPECTED", "write Permission denied"]],
    ["wm", "/dev/random", ["read Permission denied", "write ok", "ioctl EXPECTED"]],
  ])(
    "with the permissions %s is accessible accordingly at its own path",
    async (cgroupPermissions, path, expected) => {
      const { out } = await run(path, [{ taskPath: path, hostPath: path, cgroupPermissions }]);
      // This error comes from the device; Landlock's error would be "Permission denied".
      const answer = "Inappropriate ioctl for device";
      expect(out.replaceAll("Invalid argument", answer).trim().split("\n")).toEqual(
        expected.map((line) => line.replace("EXPECTED", answer)),
      );
    },
  );

  test("is closed unless it is requested", async () => {
    const { out } = await run("/dev/random", []);
    expect(out).toBe("read Permission denied\nwrite Permission denied\n");
  });

  test("is found at another path", async () => {
    const node = deviceNode();
    const devices = [{ taskPath: "local/device", hostPath: node, cgroupPermissions: "rw" }];
    const { out } = await run("local/device", devices);
    expect(out.split("\n")[0]).toBe("read ok");
    const other = [{ taskPath: "/dev/full", hostPath: node, cgroupPermissions: "r" }];
    expect((await run("/dev/full", other)).out).toMatch(/^read ok\n.*\nwrite Permission denied\n$/);
  });

  test("is accessible only according to its mode", async () => {
    const node = deviceNode(0o600);
    const devices = [{ taskPath: "/dev/full", hostPath: node, cgroupPermissions: "rw" }];
    expect((await run("/dev/full", devices)).out).toBe("read Permission denied\nwrite Permission denied\n");
  });
});

test.skipIf(landlockAbi() < 5)(
  "a device that is only unveiled for reading accepts no ioctl commands",
  async () => {
    const allocation = makeAllocation();
    await runTask(
      agent,
      allocation.config({ command: "perl", args: ["-MFcntl", "-e", attempts, "/dev/zero"] }),
    );
    expect(await allocation.stdout.text()).toBe(
      "read ok\nioctl Permission denied\nwrite Permission denied\n",
    );
  },
);

describe("a device is refused", () => {
  test.each<[string, string, RegExp, Partial<Device>]>([
    [
      "that is missing",
      "MOUNT_SOURCE_MISSING",
      /source of the device at \/dev\/x does not exist/,
      { hostPath: "/dev/no-such" },
    ],
    [
      "whose source is not a device",
      "MOUNT_SOURCE_INVALID",
      /\/etc\/hosts, .* is not a device/,
      { hostPath: "/etc/hosts" },
    ],
    ["at a path that the host lacks", "MOUNT_TARGET_INVALID", /\/dev\/x does not exist/, {}],
    ["over a folder", "MOUNT_TARGET_INVALID", /is a folder/, { taskPath: "/srv" }],
  ])("%s", async (_what, code, text, differing) => {
    const device = { taskPath: "/dev/x", hostPath: "/dev/random", cgroupPermissions: "rw", ...differing };
    const config = makeAllocation().config("true", { devices: [device] });
    await expectRefusal(agent, config, { code, text, recoverable: code === "MOUNT_SOURCE_MISSING" });
  });
});

async function run(path: string, devices: Device[]) {
  const allocation = makeAllocation();
  const args = ["-MFcntl", "-e", attempts, path];
  const { exitCode } = await runTask(agent, allocation.config({ command: "perl", args }, { devices }));
  const [out, err] = await Promise.all([allocation.stdout.text(), allocation.stderr.text()]);
  return { exitCode, out, err };
}

/** Creates another device node with the numbers of /dev/zero. */
function deviceNode(mode = 0o666): string {
  const folder = temporaryFolder(persistentFolders);
  const path = `${folder}/zero`;
  const { status, stderr } = spawnSync("mknod", [path, "c", "1", "5"], { encoding: "utf8" });
  if (status !== 0) throw new Error(`mknod failed: ${stderr}`);
  chmodSync(path, mode);
  chownSync(path, 0, 0);
  return path;
}
