/** The process that owns a state folder, and its address. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  addressOf,
  openPluginSocket,
  pluginOf,
  publishAddress,
} from "../../../src/store/folder/pluginAddress.ts";
import { stateFolderPaths } from "../../../src/store/folder/stateFolder.ts";
import { LineProcess } from "../../support/host/lineProcess.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const noPlugin = expect.objectContaining({ code: "PLUGIN_FAILED" });

describe("the plugin of a state folder", () => {
  it("is found while it lives, with its address", async () => {
    const path = join(temporaryFolder(), "state");
    expect(pluginOf(path)).toBe(undefined);
    const owner = new LineProcess("ownStateFolder", path);
    await owner.written(1);
    expect(pluginOf(path)).toBe(owner.child.pid);
    expect(() => openPluginSocket(path)).toThrow(noPlugin);
    const socket = join(path, "a.sock");
    publishAddress(path, socket);
    expect(addressOf(path)).toBe(`/proc/${owner.child.pid}/root${socket}`);
    await owner.kill();
    // The lock file still has the old pid, which may belong to another process now.
    expect(readFileSync(stateFolderPaths(path).lock, "utf8")).toBe(`${owner.child.pid}\n`);
    writeFileSync(stateFolderPaths(path).lock, `${process.pid}\n`);
    expect(pluginOf(path)).toBe(undefined);
    expect(() => openPluginSocket(path)).toThrow(noPlugin);
  });
});
