import fs, { readFileSync, writeFileSync } from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { join } from "node:path";
import { expect, it, onTestFinished, vi } from "vitest";
import { rewriteHosts } from "../../../src/effects/names/taskEtcFiles.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

it("a driver that dies while it shortens a hosts file leaves no rest of a line, which would be an entry", () => {
  const path = join(temporaryFolder(), "hosts");
  const names = { network: { mode: "group", self: undefined }, options: { extraHosts: [] } } as const;
  const write = (...addresses: string[]) =>
    rewriteHosts(path, names, [{ name: "db.example.org", addresses }]);
  writeFileSync(path, "");
  write("110.1.2.3", "110.1.2.4");
  const longer = readFileSync(path, "utf8");
  const shortens = vi.spyOn(fs, "ftruncateSync").mockImplementation(() => {
    throw new Error("the driver has died");
  });
  onTestFinished(() => {
    shortens.mockRestore();
    syncBuiltinESMExports();
  });
  syncBuiltinESMExports();
  expect(() => write("1.2.3.4")).toThrow("has died");
  const text = readFileSync(path, "utf8");
  expect(text.length).toBe(longer.length);
  expect(text.trimEnd().split("\n").slice(4)).toEqual(["1.2.3.4 db.example.org"]);
});
