import { describe, expect, test } from "vitest";
import { journalCommand, journalHeader, journalIdentifier } from "../../../src/effects/logs/journal.ts";

describe("a stream in the journal", () => {
  test.each([
    ["shop", "web", "shop.web"],
    ["", "web", "web"],
    ["batch job", "a/b", "batch_job.a_b"],
    ["x\ny", "$(reboot)", "x_y.__reboot_"],
    ["größe-1+2@3", "täsk_4", "größe-1+2@3.täsk_4"],
    ["tag[7]:", "t", "tag_7__.t"],
  ])("of job %j and task %j has the identifier %j", (job, task, identifier) => {
    expect(journalIdentifier(job, task)).toBe(identifier);
  });

  test("has an identifier that is not too long", () => {
    expect(journalIdentifier("j".repeat(300), "t").length).toBe(128);
  });

  test("is announced in seven lines, whatever its job and task are called", () => {
    const identifier = journalIdentifier("a\nb\n7\n1\n1\n1\n1\n", "t\r\nx");
    const lines = (name: string) =>
      journalHeader({ identifier, namespace: null }, `/sys/fs/cgroup/nomad.slice/${name}`).split("\n");
    const rest = ["6", "0", "0", "0", "0", ""];
    expect(lines("6f2d.web.scope")).toEqual([identifier, "6f2d.web.scope", ...rest]);
    for (const name of ["a\nx.service\n0\n1\n1\n1\n1\n", "a b", "$(reboot)", "täsk", "a\rb", "a'b"])
      expect(lines(`6f2d.${name}.scope`)).toEqual([identifier, "", ...rest]);
  });

  test("is shown by a command", () => {
    const cgroup = "/sys/fs/cgroup/nomad.slice/share.slice/6f2d.web.scope";
    const stream = { identifier: "shop.web", namespace: null };
    const shown = "-t shop.web _SYSTEMD_UNIT=6f2d.web.scope";
    expect(journalCommand(stream, cgroup)).toBe(`journalctl ${shown}`);
    expect(journalCommand({ ...stream, namespace: "nomad" }, cgroup)).toBe(
      `journalctl --namespace=nomad ${shown}`,
    );
    for (const name of ["a\nb", "$(reboot)", "a;b", "a b"])
      expect(journalCommand(stream, `/sys/fs/cgroup/6f2d.${name}.scope`)).toBe("journalctl -t shop.web");
  });
});
