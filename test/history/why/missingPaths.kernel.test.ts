/** Missing paths that a failed task names in its error output, as long as its log exists. */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { missingPaths } from "../../../src/history/why/missingPaths.ts";
import type { TaskContext } from "../../../src/machines/taskContext.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

/** An ended task with its own root that has written this text to its standard error. */
function ended(
  stderr: string,
  differing: { root?: "host" | "private"; exitCode?: number } = {},
): TaskContext {
  const allocDir = temporaryFolder();
  const logs = `${allocDir}/alloc/logs`;
  mkdirSync(logs, { recursive: true });
  writeFileSync(`${logs}/web.stderr.0`, stderr);
  const { root = "private", exitCode = 2 } = differing;
  const paths = { allocDir, stdoutPath: `${logs}/.web.stdout.fifo`, stderrPath: `${logs}/.web.stderr.fifo` };
  const unveiled = [{ path: "/etc/hosts", mode: "r", source: "default" }];
  return fold([
    event("requested", paths),
    event("fingerprinted"),
    event("sandboxed", { root, unveiled }),
    event("started"),
    event("exited", { exitCode }),
  ]).context;
}

test("paths that exist on the host and were not unveiled are named, the last one first", () => {
  const text =
    'cat: /etc/group: No such file\ngrep: /etc/passwd: No such file\nopen("/no/such/path") /etc/hosts /tmp /proc/1 /etc';
  expect(missingPaths(ended(text))).toEqual(["/etc/passwd", "/etc/group"]);
});

test("only the end of the output is read, without the driver's own line", () => {
  const early = `/etc/group\n${"line\n".repeat(20)}`;
  const own = "nomad-driver-exec2: 1 ms before its end the task was denied reading /etc/shadow\n";
  expect(missingPaths(ended(`${early}/etc/passwd\n${own}`))).toEqual(["/etc/passwd"]);
});

test.each([{ root: "host" as const }, { exitCode: 0 }])("no path of a task with %j is named", (differing) => {
  expect(missingPaths(ended("grep: /etc/passwd: No such file", differing))).toEqual([]);
});

test("no link out of the allocation is followed, and a folder that is gone has no paths", () => {
  const gone = ended("/etc/passwd");
  const { request } = gone;
  if (request === null) throw new Error("no request");
  expect(missingPaths({ ...gone, request: { ...request, allocDir: "/nowhere" } })).toEqual([]);
  const linked = temporaryFolder();
  symlinkSync(`${request.allocDir}/alloc`, `${linked}/alloc`);
  const stderrPath = `${linked}/alloc/logs/.web.stderr.fifo`;
  expect(missingPaths({ ...gone, request: { ...request, allocDir: linked, stderrPath } })).toEqual([]);
});
