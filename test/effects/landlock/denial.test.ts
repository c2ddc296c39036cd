import { describe, expect, it } from "vitest";
import { callBlocker, OTHER_MACHINE } from "../../../src/effects/denial.ts";
import { describeDenial, unveilEntry } from "../../../src/effects/landlock/denial.ts";
import { accessOf, LATEST_ABI, maskOfRights, rightsOfFamily } from "../../../src/effects/landlock/rights.ts";
import { parseUnveil, unveilProblem } from "../../../src/effects/unveil/unveil.ts";
import { formatRepetition } from "../../../src/units/counts.ts";

/** The text of a denial, and the unveil entry that would allow it. */

describe("a denial", () => {
  it.each([
    [["fs.read_file"], "/etc/passwd", "reading /etc/passwd", "r:/etc/passwd"],
    [["fs.write_file", "fs.truncate"], "/a", "writing and truncating /a", "w:/a"],
    [["fs.read_file", "fs.write_file"], "/dev/kvm", "reading and writing /dev/kvm", "rw:/dev/kvm"],
    [["fs.make_reg"], "/etc", "creating a file in /etc", "wc:/etc"],
    [["fs.execute"], "/opt/x", "executing /opt/x", "rx:/opt/x"],
    [["fs.read_file"], "/proc/17/task/18/stat", "reading /proc/17/task/18/stat", "r:/proc/self/stat"],
    [["net.connect_tcp"], "443", "connecting to TCP port 443", undefined],
    [["net.connect_send_udp"], "123", "sending to UDP port 123", undefined],
    [[callBlocker("unshare")], null, "the system call unshare", undefined],
    [[OTHER_MACHINE], null, "32-bit system calls", undefined],
    [["scope.signal"], "init, pid 1", "sending a signal to init, pid 1", undefined],
    [["fs.new_in_the_kernel"], "/x", "fs.new_in_the_kernel /x", undefined],
  ])("of %j on %s is described, with the entry that allows it", (blockers, object, text, entry) => {
    expect(describeDenial({ blockers, object })).toBe(text);
    expect(unveilEntry({ blockers, object })).toBe(entry);
  });

  it("of files has a valid unveil entry, which grants the denied right if a mode can grant it", () => {
    for (const right of rightsOfFamily("fs")) {
      const entry = unveilEntry({ blockers: [right], object: "/srv/x" });
      if (right === "fs.make_char" || right === "fs.make_block") expect(entry).toBeUndefined();
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
