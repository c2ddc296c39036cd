/** Root runs `exec`, and another process poses as the plugin of the state folder. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openPluginSocket, pluginOf, publishAddress } from "../../src/store/folder/pluginAddress.ts";
import { stateFolderPaths } from "../../src/store/folder/stateFolder.ts";
import { LineProcess } from "../support/host/lineProcess.ts";
import { smallFileSystem } from "../support/host/smallFileSystem.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";

const noPlugin = expect.objectContaining({ code: "PLUGIN_FAILED" });
const nobody = 65_534;

/** Runs a script as a user, until the test has finished. Resolves once the script has printed something. */
async function runAs(uid: number, script: string): Promise<number> {
  const child = spawn("perl", ["-e", script], { uid, gid: uid, stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return child.pid as number;
}

/** Perl that listens at a path, open to everybody. */
const listening = (path: string) =>
  `use IO::Socket::UNIX; umask 0; my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => '${path}', Listen => 1) or die; `;
const lasting = `$| = 1; print "up\n"; sleep 1000;`;

test("a process that locks a file with the same inode number in another file system is not taken for the plugin", async () => {
  const [own, theirs] = [smallFileSystem("4m"), smallFileSystem("4m")];
  // Both file systems begin with the same inode number.
  const folder = join(own, "state");
  const copy = join(theirs, "copy");
  for (const path of [folder, copy]) mkdirSync(path);
  chmodSync(theirs, 0o777);
  const { lock } = stateFolderPaths(folder);
  for (const path of [lock, join(copy, "lock")]) writeFileSync(path, "", { mode: 0o666 });
  chmodSync(join(copy, "lock"), 0o666);
  expect(statSync(join(copy, "lock")).ino).toBe(statSync(lock).ino);
  const socket = join(theirs, "plugin.sock");
  publishAddress(folder, socket);
  const locked = `open(my $l, '+<', '${copy}/lock') or die; flock($l, 2) or die; `;
  await runAs(nobody, listening(socket) + locked + lasting);
  expect(pluginOf(folder)).toBeUndefined();
  expect(() => openPluginSocket(folder)).toThrow(noPlugin);
});

test("a process whose socket has the name of the plugin's socket is not taken for the plugin", async () => {
  const folder = join(temporaryFolder(), "state");
  const owner = new LineProcess("ownStateFolder", folder);
  await owner.written(1);
  expect(pluginOf(folder)).toBe(owner.child.pid);
  const open = temporaryFolder();
  chmodSync(open, 0o777);
  const socket = join(open, "plugin.sock");
  publishAddress(folder, socket);
  await runAs(nobody, listening(socket) + lasting);
  expect(() => openPluginSocket(folder)).toThrow(
    expect.objectContaining({ message: expect.stringMatching(/user 65534/) }),
  );
});

test("a process of root is not taken for the plugin if another process holds the lock", async () => {
  const folder = join(temporaryFolder(), "state");
  const owner = new LineProcess("ownStateFolder", folder);
  await owner.written(1);
  const socket = join(temporaryFolder(), "plugin.sock");
  const server = createServer().listen(socket);
  onTestFinished(() => void server.close());
  await once(server, "listening");
  publishAddress(folder, socket);
  expect(() => openPluginSocket(folder)).toThrow(noPlugin);
});
