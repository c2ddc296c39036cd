/** Examples that show an option at work run as their first lines say. The virtual machine runs those that need controllers. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { probeHost } from "../../src/effects/host/hostFacts.ts";
import { eventually } from "../support/host/eventually.ts";
import { startJournal } from "../support/host/journal.ts";
import { requireTools } from "../support/host/requireTools.ts";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { call, start } from "../support/screen/commandLine.ts";

const example = (name: string) => join(import.meta.dirname, `../../examples/${name}.nomad.hcl`);
const running = (name: string, ...options: string[]) => [
  ...["run", "--state-dir", temporaryFolder(), ...options],
  example(name),
];
const { cgroupControllers } = probeHost();

test("stop: the command asks the worker to finish", async () => {
  const run = start(running("stop"));
  await run.seen("working");
  run.child.kill("SIGINT");
  const { stdout } = await run.ended;
  expect(stdout).toBe("working\nasked to stop\nfinished\n");
});

test("journald: both lines are in the journal, under the job's name", async (context) => {
  const journal = await startJournal(context);
  const options = ["-o", "allow_journald=true", "-o", `journal_namespace=${journal.namespace}`];
  const { code, stdout } = await call(running("journald", ...options));
  expect([code, stdout]).toEqual([0, expect.stringMatching(/in journald: journalctl .* -t journald\.web/)]);
  await eventually(() =>
    expect(journal.entries("-t", "journald.web").map((each) => [each.MESSAGE, each.PRIORITY])).toEqual([
      ["a line", "6"],
      ["an error", "6"],
    ]),
  );
});

test("cgroups: the supervisor starts each service in a cgroup", async () => {
  const { code, stdout } = await call(running("cgroups", "-o", "allow_cgroup_delegate=true"));
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^web: 1 process\nbatch: 1 process$/m)]);
});

test("pressure: the event tells that the task stalls", async () => {
  const { code, stderr } = await call(running("pressure", "-v"));
  expect([code, stderr]).toEqual([0, expect.stringMatching(/stalled/i)]);
});

test("unveil-sets: openssl reads its configuration", async (context) => {
  requireTools(context, "openssl");
  const { code, stdout } = await call(running("unveil-sets"));
  expect([code, stdout]).toEqual([0, expect.stringContaining("-----BEGIN CERTIFICATE REQUEST-----")]);
});

test("mounts: the program finds its configuration, and its folder in memory", async () => {
  const { code, stdout } = await call(running("mounts"));
  expect([code, stdout]).toEqual([0, "greeting = hello\nwarm\n"]);
});

test.skipIf(cgroupControllers.includes("cpuset"))("numa: is refused without the controller", async () => {
  const { code, stderr } = await call(running("numa"));
  expect([code, stderr]).toEqual([expect.any(Number), expect.stringContaining("CGROUP_UNSUPPORTED")]);
  expect(code).not.toBe(0);
});

test("hugepages: without pages on the host, both requests are refused; without the controller, the start", async () => {
  const { code, stdout, stderr } = await call(running("hugepages"));
  if (cgroupControllers.includes("hugetlb")) {
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/^2 MiB: .*\n4 MiB: Cannot allocate memory\n$/),
    ]);
  } else {
    expect(stderr).toContain("CGROUP_UNSUPPORTED");
    expect(code).not.toBe(0);
  }
});
