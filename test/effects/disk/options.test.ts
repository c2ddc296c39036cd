import { describe, expect, test } from "vitest";
import { parsePluginOptions } from "../../../src/driver/options/pluginOptions.ts";
import { remedyFor } from "../../../src/effects/disk/diskRemedy.ts";
import { parseTaskOptions } from "../../../src/effects/parts.ts";
import { projectQuotaPoints } from "../../../src/effects/paths/limitedDisks.ts";
import { taskFilter } from "../../../src/effects/seccomp/taskFilter.ts";
import { adviceFor } from "../../../src/effects/verdicts.ts";

const limitOf = (task: object, plugin: object = {}) =>
  parseTaskOptions({ command: "x", ...task }, parsePluginOptions({ ...plugin })).diskLimit;

describe("a task's disk limit", () => {
  test("is its own, or the client's, which is the largest", () => {
    expect(limitOf({})).toBeUndefined();
    expect(limitOf({ disk_limit: 300 })).toBe(300);
    expect(limitOf({}, { disk_limit: 500 })).toBe(500);
    expect(limitOf({ disk_limit: 300 }, { disk_limit: 500 })).toBe(300);
    expect(() => limitOf({ disk_limit: 501 }, { disk_limit: 500 })).toThrow(
      /option "disk_limit" 501 MiB, but this client allows 500 MiB/,
    );
  });

  test("adds the calls that change a file's project to every filter, and nothing to a task without it", () => {
    const unconfined = { profile: "unconfined", allow: [], deny: [] };
    expect(taskFilter(unconfined, {})).toBeUndefined();
    expect(taskFilter(unconfined, { diskLimit: 1 })?.restrictions.flatMap(({ calls }) => calls)).toEqual([
      "ioctl",
      "file_setattr",
    ]);
  });

  test("is the reason that a denial of these calls gives", () => {
    const sandbox = {
      seccomp: { profile: "unconfined", allow: [], deny: [] },
      capabilities: null,
      unveiled: [],
      egress: null,
    };
    const request = { options: { disk_limit: 10 }, allocId: "", allocDir: "" };
    const denial = { blockers: ["seccomp.ioctl"], object: null };
    expect(adviceFor(denial as never, { request, sandbox, names: [] })).toMatch(
      /Only tasks without disk_limit/,
    );
  });
});

test("the remedy depends on the file system and on what is missing", () => {
  expect(remedyFor(0xef53, false).remedy).toMatch(/tune2fs -O project,quota/);
  expect(remedyFor(0xef53, true).remedy).toMatch(/remount,prjquota/);
  expect(remedyFor(0x58465342, false).remedy).toMatch(/rootflags=prjquota/);
  expect(remedyFor(0x01021994, false).remedy).toMatch(/ext4 or xfs/);
});

test("mounts that enforce project quotas are found by their options", () => {
  const lines = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro",
    "30 22 8:2 / /srv/no\\040mad rw - ext4 /dev/sdb rw,prjquota",
    "31 22 8:3 / /data rw - xfs /dev/sdc rw,attr2,prjquota",
    "32 22 8:4 / /counted rw - xfs /dev/sdd rw,pqnoenforce",
  ];
  expect(projectQuotaPoints(lines.join("\n"))).toEqual(["/srv/no mad", "/data"]);
});
