import { expect, test } from "vitest";
import { pathsInTask, rightsAt } from "../../../src/history/access/rightsAt.ts";

const unveiled = [
  { path: "/usr/bin", mode: "rx", source: "default" },
  { path: "/srv", mode: "r", source: "plugin" },
  { path: "/srv/data", mode: "wc", source: "task, plugin" },
];

test("rights add up along a path, each with its source", () => {
  expect(rightsAt("/usr/bin/env", unveiled)).toEqual({ rights: "rx", sources: ["default"], leads: false });
  expect(rightsAt("/srv", unveiled)).toEqual({ rights: "r", sources: ["plugin"], leads: true });
  expect(rightsAt("/srv/data/x", unveiled)).toEqual({
    rights: "rwc",
    sources: ["plugin", "task"],
    leads: false,
  });
});

test("a parent folder leads to an unveiled path, and another folder has no rights", () => {
  expect(rightsAt("/usr", unveiled)).toEqual({ rights: "", sources: [], leads: true });
  expect(rightsAt("/srvx", unveiled)).toEqual({ rights: "", sources: [], leads: false });
});

test("rules for mounted sources hold at the paths that the task sees", () => {
  const sandbox = { runFolder: "/var/lib/exec2/run/1", privateTmp: true, unveiled: [] };
  const at = (path: string, source: string) => pathsInTask({ path, source }, sandbox);
  expect(at("/var/lib/exec2/run/1/hosts", "default")).toEqual(["/etc/hosts"]);
  expect(at("/alloc/web/tmp", "default, folder")).toEqual(["/alloc/web/tmp", "/tmp"]);
  expect(at("/srv/tmp", "task")).toEqual(["/srv/tmp"]);
  const inMemory = { path: "/tmp", mode: "rwxc", source: "default" };
  const folder = { path: "/alloc/web/tmp", source: "folder" };
  expect(pathsInTask(folder, { ...sandbox, unveiled: [inMemory] })).toEqual(["/alloc/web/tmp"]);
});
