/** The text of a denial, and the option that would allow it. */
import { describe, expect, it } from "vitest";
import {
  callBlocker,
  describeDenial,
  OTHER_MACHINE,
  remedyOf,
  unveilEntry,
} from "../../../src/effects/denials/denial.ts";
import { accessOf } from "../../../src/effects/landlock/access.ts";
import { LATEST_ABI, maskOfRights, rightsOfFamily } from "../../../src/effects/landlock/rights.ts";
import { parseUnveil, unveilProblem } from "../../../src/effects/unveil/unveil.ts";
import { formatRepetition } from "../../../src/units/counts.ts";

const all = { options: { connect_udp: [53] } };

describe("a denial", () => {
  it.each([
    [["fs.read_file"], "/etc/passwd", "reading /etc/passwd", 'unveil = ["r:/etc/passwd"]'],
    [["fs.write_file", "fs.truncate"], "/a", "writing and truncating /a", 'unveil = ["w:/a"]'],
    [
      ["fs.read_file", "fs.write_file"],
      "/dev/kvm",
      "reading and writing /dev/kvm",
      'unveil = ["rw:/dev/kvm"]',
    ],
    [["fs.make_reg"], "/etc", "creating a file in /etc", 'unveil = ["wc:/etc"]'],
    [["fs.execute"], "/opt/x", "executing /opt/x", 'unveil = ["rx:/opt/x"]'],
    [
      ["fs.read_file"],
      "/proc/17/task/18/stat",
      "reading /proc/17/task/18/stat",
      'unveil = ["r:/proc/self/stat"]',
    ],
    [["net.connect_tcp"], "443", "connecting to TCP port 443", "connect_tcp = [443]"],
    [["net.connect_send_udp"], "123", "sending to UDP port 123", "connect_udp = [53, 123]"],
    [[callBlocker("unshare")], null, "the system call unshare", 'seccomp_allow = ["unshare"]'],
    [[callBlocker("mount")], null, "the system call mount", undefined],
    [[OTHER_MACHINE], null, "32-bit system calls", 'seccomp = "unconfined"'],
    [["scope.signal"], "init, pid 1", "sending a signal to init, pid 1", undefined],
    [["fs.new_in_the_kernel"], "/x", "fs.new_in_the_kernel /x", undefined],
  ])("of %j on %s is described, with the line that allows it", (blockers, object, text, option) => {
    expect(describeDenial({ blockers, object })).toBe(text);
    expect(remedyOf({ blockers, object }, all).option).toBe(option);
  });

  it("of a port is allowed by the task's list if that port is added to it", () => {
    const remedy = remedyOf(
      { blockers: ["net.connect_tcp"], object: "81" },
      { options: { connect_tcp: [443, 53] } },
    );
    expect(remedy.option).toBe("connect_tcp = [53, 81, 443]");
  });

  it("of files has a valid unveil entry, which grants the denied right if a mode can grant it", () => {
    for (const right of rightsOfFamily("fs")) {
      const entry = unveilEntry({ blockers: [right], object: "/srv/x" });
      if (right === "fs.make_char") expect(entry).toBeUndefined();
      else {
        expect(unveilProblem(entry ?? ""), right).toBeUndefined();
        const granted = accessOf(parseUnveil(entry ?? "", "task").mode, "folder", LATEST_ABI);
        expect(granted & maskOfRights([right], LATEST_ABI), right).not.toBe(0);
      }
    }
  });

  it.each(["/srv/a*", "/memfd:x (deleted)", "relative", "/a/../b", "/a…"])("of %s has no entry", (object) => {
    expect(unveilEntry({ blockers: ["fs.read_file"], object })).toBeUndefined();
  });

  it("has its count in words", () => {
    expect([1, 2, 3, 1204].map(formatRepetition)).toEqual(["", "twice", "3 times", "1,204 times"]);
  });
});
