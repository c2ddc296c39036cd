import { describe, expect, it } from "vitest";
import { isMissed } from "../../../src/history/cause/roots.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";

const { context } = fold([
  event("requested"),
  event("fingerprinted"),
  event("sandboxed", { root: "private", unveiled: [{ path: "/usr", mode: "rx", source: "default" }] }),
  event("started"),
]);

describe("a path that the host has", () => {
  it.each([
    "/etc/app.conf",
    "/etc/adduser.conf",
    "/etc/ssl/private/key.pem",
    "/srv/data",
    "/etc/passwdx",
    "/opt/bin",
  ])("is missed if nothing unveils it: %s", (path) => expect(isMissed(path, context)).toBe(true));

  it.each([
    "/etc/passwd",
    "/etc/localtime",
    "/etc/profile.d",
    "/etc/php/8.4/cli/conf.d",
    "/sys/kernel",
    "/etc/nsswitch.conf",
  ])("is not missed if programs can do without it: %s", (path) =>
    expect(isMissed(path, context)).toBe(false),
  );

  it.each(["/usr/bin/app", "/usr", "/", "/proc/self/maps"])("is not missed if its root has it: %s", (path) =>
    expect(isMissed(path, context)).toBe(false),
  );
});
