import { describe, expect, it } from "vitest";
import type { TaskRequest } from "../../../src/effects/launch/taskRequest.ts";
import { type TaskDns, taskEtcFiles } from "../../../src/effects/names/taskEtcFiles.ts";
import { runFiles } from "../../../src/effects/run/runFiles.ts";
import { errorOf } from "../../support/errors.ts";

/** The text of the resolv.conf of a task that has no other file of its own. */
function resolvConf(dns: TaskDns): string {
  const options = { extraHosts: [], identityFiles: false };
  const request = { dns, network: { self: undefined }, options } as unknown as TaskRequest;
  const identity = { user: { name: "web", uid: 80_000, gid: 80_000, home: "/" }, groups: [] };
  const files = taskEtcFiles(request, identity, runFiles("/run/x"), { identityFiles: false });
  expect(files.map(({ path, source }) => ({ path, source }))).toEqual([
    { path: "/etc/resolv.conf", source: "/run/x/resolv.conf" },
  ]);
  return files.map(({ text }) => text()).join("");
}

describe("resolv.conf", () => {
  it("has a line for each server, and one for all searches and options", () => {
    const dns = {
      servers: ["10.0.0.2", "fd00::53"],
      searches: ["a.test", "b.test"],
      options: ["ndots:2", "edns0"],
    };
    expect(resolvConf(dns)).toBe(
      "nameserver 10.0.0.2\nnameserver fd00::53\nsearch a.test b.test\noptions ndots:2 edns0\n",
    );
  });

  it("has no line without values", () => {
    expect(resolvConf({ servers: ["10.0.0.2"], searches: [], options: [] })).toBe("nameserver 10.0.0.2\n");
    expect(resolvConf({ servers: [], searches: [], options: [] })).toBe("");
  });

  it.each(["", "a b", "10.0.0.2\nnameserver 6.6.6.6", "a\tb", "a\0b"])("refuses %j", (word) => {
    for (const field of ["servers", "searches", "options"] as const) {
      const dns = { servers: [], searches: [], options: [], [field]: [word] };
      expect(errorOf(() => resolvConf(dns)).code).toBe("CONFIG_INVALID");
    }
  });
});
