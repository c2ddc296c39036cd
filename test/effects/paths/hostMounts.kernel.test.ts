import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { describe, expect, it, onTestFinished } from "vitest";
import { fileSystemOf } from "../../../src/effects/paths/hostMounts.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

function typeAt(path: string): string | undefined {
  const file = openSync(path, "r");
  try {
    return fileSystemOf(file);
  } finally {
    closeSync(file);
  }
}

describe("the file system of an open file", () => {
  it("is that of its mount, also of a new one", () => {
    expect(typeAt("/proc/self/status")).toBe("proc");
    const folder = temporaryFolder();
    const before = typeAt(folder);
    expect(before).toBeDefined();
    expect(spawnSync("mount", ["-t", "ramfs", "exec2-test", folder]).status).toBe(0);
    onTestFinished(() => void spawnSync("umount", [folder]));
    expect(typeAt(folder)).toBe("ramfs");
    expect(before).not.toBe("ramfs");
  });

  it("is unknown without a mount of this namespace", () => {
    expect(typeAt("/proc/self/ns/mnt")).toBeUndefined();
  });
});
