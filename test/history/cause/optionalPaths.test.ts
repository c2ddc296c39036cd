import { describe, expect, it } from "vitest";
import { isMissed, settingsToUnveil } from "../../../src/history/cause/roots.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event } from "../../support/history/history.ts";

const { context } = fold([
  event("requested"),
  event("fingerprinted"),
  event("sandboxed", { root: "private", unveiled: [{ path: "/usr", mode: "rx", source: "default" }] }),
  event("started"),
]);

describe("a path with symlinks", () => {
  const found = { uid: 0, gid: 0, mode: 0o100644, isFolder: false };
  const leads = (path: string, to: string) => ({ path, found, target: { path: to, found } });

  it.each([
    ["/usr/lib/app.conf", "/etc/app.conf", true],
    ["/usr/lib/app.conf", "/usr/share/app.conf", false],
    ["/usr/lib/passwd", "/etc/passwd", false],
    ["/srv/app.conf", "/usr/share/app.conf", true],
  ])("is missed if its root lacks the path or what it leads to: %s, to %s", (path, to, isIt) => {
    expect(isMissed(leads(path, to), context)).toBe(isIt);
  });

  it("is unveiled by its own name, if its root lacks it, and else by the name of what it leads to", () => {
    const entry = (value: string) => [{ option: "unveil", value: [value] }];
    expect(settingsToUnveil(leads("/srv/a", "/opt/b"), context)).toEqual(entry("r:/srv/a"));
    expect(settingsToUnveil(leads("/usr/lib/a", "/opt/b"), context)).toEqual(entry("r:/opt/b"));
    expect(settingsToUnveil(leads("/srv/a", "/etc/shadow"), context)).toEqual([]);
    const link = { ...found, mode: 0o120777 };
    expect(settingsToUnveil({ path: "/srv/a", found: link }, context)).toEqual([]);
  });
});

describe("a path that the host has", () => {
  it.each([
    "/etc/app.conf",
    "/etc/adduser.conf",
    "/etc/ssl/private/key.pem",
    "/srv/data",
    "/etc/passwdx",
    "/opt/bin",
  ])("is missed if nothing unveils it: %s", (path) => expect(isMissed({ path }, context)).toBe(true));

  it.each([
    "/etc/passwd",
    "/etc/localtime",
    "/etc/profile.d",
    "/etc/php/8.4/cli/conf.d",
    "/sys/kernel",
    "/etc/nsswitch.conf",
  ])("is not missed if programs can do without it: %s", (path) =>
    expect(isMissed({ path }, context)).toBe(false),
  );

  it.each(["/usr/bin/app", "/usr", "/", "/proc/self/maps"])("is not missed if its root has it: %s", (path) =>
    expect(isMissed({ path }, context)).toBe(false),
  );
});
