/** What a run may do, answered from its recorded sandbox, and what the sandbox leaves open. */
import { describe, expect, it } from "vitest";
import { exceptions } from "../../../src/effects/exceptions.ts";
import { parseAccess } from "../../../src/history/access/askedAccess.ts";
import { exposureOf } from "../../../src/history/access/exposure.ts";
import { mayAccess, sandboxedRun } from "../../../src/history/access/may.ts";
import type { EventData } from "../../../src/machines/events.ts";
import { fold } from "../../../src/machines/taskMachine.ts";
import { event, sampleData } from "../../support/history/history.ts";

type Request = Partial<EventData<"requested">>;
type Sandbox = Partial<EventData<"sandboxed">>;

function runWith(options: object = {}, sandbox: Sandbox = {}, request: Request = {}) {
  const { command, args } = sampleData("requested").options;
  const state = fold([
    event("requested", { options: { command, args, ...options }, ...request }),
    event("fingerprinted"),
    event("sandboxed", {
      root: "private",
      uid: 80001,
      unveiled: [
        { path: "/usr", mode: "rx", source: "default" },
        { path: "/etc/ssl", mode: "r", source: "default, task" },
        { path: "/srv/data/in", mode: "rwc", source: "task" },
      ],
      seccomp: { profile: "default", allow: [], deny: [] },
      capabilities: null,
      egress: null,
      ...sandbox,
    }),
  ]);
  const run = sandboxedRun(state.context);
  if (run === undefined) throw new Error("no sandbox");
  return run;
}

const answer = (words: string, run = runWith()) => mayAccess(run, parseAccess(words.split(" ")));

it("an access may be one word with blanks, as in quotes", () => {
  expect(parseAccess(["read /etc/ssl/x"])).toEqual(parseAccess(["read", "/etc/ssl/x"]));
  expect(parseAccess([" connect  udp 10.0.0.1:53 "])).toEqual(parseAccess(["connect", "udp", "10.0.0.1:53"]));
  expect(() => parseAccess([""])).toThrow(/is no access/);
});

describe("a path", () => {
  it("is allowed by the entry that covers it, with its source", () => {
    expect(answer("read /etc/ssl/certs/ca.pem")).toEqual({
      allowed: true,
      rule: "unveiled by r:/etc/ssl (default paths, job's unveil)",
      proviso: "as far as something is there whose owner and mode allow it to uid 80001",
      advice: "",
    });
    expect(answer("execute /usr/bin/env").allowed).toBe(true);
    expect(answer("create /srv/data/in/new").allowed).toBe(true);
    expect(answer("read //etc/./ssl/").allowed).toBe(true);
  });

  it("is refused if the entry lacks a letter, if it only leads to one, or if nothing covers it", () => {
    expect(answer("write /etc/ssl/certs/ca.pem")).toMatchObject({
      allowed: false,
      rule: "r:/etc/ssl (default paths, job's unveil) lacks w",
      advice: expect.stringContaining('unveil = ["w:/etc/ssl/certs/ca.pem"]'),
    });
    const mounted = runWith({}, { unveiled: [{ path: "/etc/app", mode: "rx", source: "mount" }] });
    expect(answer("write /etc/app/app.conf", mounted)).toMatchObject({
      rule: "rx:/etc/app (job's mount) lacks w",
      advice: "To allow it: readonly = false in the job's mount block",
    });
    expect(answer("read /etc/app/app.conf", mounted).allowed).toBe(true);
    expect(answer("list /srv/data").rule).toBe("/srv/data only leads to an unveiled path");
    expect(answer("read /etc/shadow")).toMatchObject({
      allowed: false,
      rule: "no unveiled path has it, so nothing is at /etc/shadow in the task's root",
      advice: "",
    });
    expect(answer("read /etc/motd").advice).toContain('unveil = ["r:/etc/motd"]');
    expect(answer("read /etc/sslother").allowed).toBe(false);
    expect(answer("read /etc/shadow", runWith({}, { root: "host" })).rule).toBe("no unveiled path has it");
  });
});

describe("a port", () => {
  it("is allowed without a list, or by the list that has it", () => {
    expect(answer("connect 10.0.0.1:443").rule).toBe("the task has no list of ports (connect_tcp)");
    expect(answer("connect 10.0.0.1:443", runWith({ connect_tcp: [443] }))).toMatchObject({
      allowed: true,
      rule: "connect_tcp has 443",
      proviso: expect.stringContaining("the list names ports, not addresses"),
    });
    expect(answer("connect [::1]:443", runWith({ connect_tcp: [443] })).allowed).toBe(true);
  });

  it("is refused by a list that lacks it, by a network without a way out, and below 1024 without a capability", () => {
    expect(answer("connect 443", runWith({ connect_tcp: [80] }))).toMatchObject({
      allowed: false,
      rule: "connect_tcp allows only 80",
      advice: expect.stringContaining("connect_tcp = [80, 443]"),
    });
    expect(answer("bind udp 5353", runWith({ bind_udp: [] })).rule).toBe("bind_udp allows no port");
    const alone = runWith({}, {}, { network: { mode: "none", path: "", self: null } });
    expect(answer("connect 10.0.0.1:443", alone)).toMatchObject({ allowed: false, advice: "" });
    expect(answer("connect 127.0.0.1:443", alone).allowed).toBe(true);
    expect(answer("bind 80")).toMatchObject({
      allowed: false,
      rule: "port 80 is below 1024, and the task lacks net_bind_service",
    });
    expect(answer("bind 80", runWith({}, { capabilities: ["net_bind_service"] })).allowed).toBe(true);
    expect(answer("bind 8080").allowed).toBe(true);
  });
});

describe("a destination", () => {
  const egress = {
    allowed: ["10.0.0.0/8:5432", "db.example.org:443", "udp:192.0.2.0/24"],
    denied: ["10.0.0.9"],
    names: [{ name: "db.example.org", addresses: ["198.51.100.7"], problem: null }],
  };
  const run = runWith({ egress: egress.allowed }, { egress });

  it.each([
    ["connect 10.1.2.3:5432", "egress has 10.0.0.0/8:5432"],
    ["connect db.example.org:443", "egress has db.example.org:443"],
    ["connect 198.51.100.7:443", "egress has db.example.org:443"],
    ["connect udp 192.0.2.1:123", "egress has udp:192.0.2.0/24"],
    ["connect 127.0.0.1:80", "it is loopback"],
    ["connect 443", "egress has db.example.org:443"],
  ])("is allowed by the entry that has it: %s", (words, rule) => {
    expect(answer(words, run)).toMatchObject({ allowed: true, rule: expect.stringContaining(rule) });
  });

  it.each([
    [
      "connect 10.1.2.3:5433",
      "egress does not have it",
      'egress = ["10.0.0.0/8:5432", "db.example.org:443", "udp:192.0.2.0/24", "tcp:10.1.2.3:5433"]; on the client, this needs tcp:10.1.2.3:5433 in egress',
    ],
    ["connect 10.0.0.9:5432", "egress_denied has 10.0.0.9", "The client's egress_denied has 10.0.0.9"],
    ["connect other.example.org:443", "egress does not have it", '"tcp:other.example.org:443"'],
    ["connect 192.0.2.1:123", "egress does not have it", '"tcp:192.0.2.1:123"'],
    [
      "connect udp 10.0.0.53:53",
      "egress does not have it",
      "send data to anybody in the names that it asks for",
    ],
    ["connect 80", "egress has no entry with port 80", ":80 in egress"],
  ])("is refused if no entry has it, or one denies it: %s", (words, rule, advice) => {
    expect(answer(words, run)).toMatchObject({
      allowed: false,
      rule: expect.stringContaining(rule),
      advice: expect.stringContaining(advice),
    });
  });

  it("is limited by the lists of ports, too", () => {
    const both = runWith({ egress: egress.allowed, connect_tcp: [443] }, { egress });
    expect(answer("connect 10.1.2.3:5432", both)).toMatchObject({
      allowed: false,
      rule: "connect_tcp allows only 443",
    });
    expect(answer("connect db.example.org:443", both).rule).toBe(
      "connect_tcp has 443, and egress has db.example.org:443",
    );
  });

  it("is everywhere but what is denied, if only that is listed", () => {
    const open = runWith({}, { egress: { allowed: null, denied: ["169.254.169.254"], names: [] } });
    expect(answer("connect 192.0.2.1:443", open).allowed).toBe(true);
    expect(answer("connect 169.254.169.254:80", open)).toMatchObject({
      allowed: false,
      rule: "egress_denied has 169.254.169.254",
    });
  });
});

describe("a system call", () => {
  it("is refused by the profile, and allowed by another one", () => {
    expect(answer("call unshare").allowed).toBe(false);
    expect(answer("call mount").allowed).toBe(false);
    expect(answer("call read")).toMatchObject({ allowed: true, rule: expect.stringContaining("default") });
    const unconfined = { seccomp: { profile: "unconfined", allow: [], deny: [] } };
    expect(answer("call unshare", runWith({}, unconfined)).allowed).toBe(true);
    expect(answer("call unshare", runWith({}, { seccomp: null })).allowed).toBe(true);
  });
});

describe("words that are no access", () => {
  it.each([
    "",
    "read",
    "read relative",
    "read /a/../b",
    "read /a /b",
    "connect",
    "connect 70000",
    "connect host",
    "bind udp",
    "call",
    "call nothing",
    "fly /away",
    "toString /x",
  ])("are refused: %s", (words) => {
    expect(() => parseAccess(words.split(" "))).toThrow(expect.objectContaining({ code: "ACCESS_INVALID" }));
  });
});

describe("the exposure", () => {
  it("of a task with everything closed has at most what the network leaves open", () => {
    const run = runWith(
      { connect_tcp: [], bind_tcp: [], connect_udp: [], bind_udp: [] },
      {
        unveiled: [{ path: "/usr", mode: "rx", source: "default" }],
        egress: { allowed: [], denied: [], names: [] },
        limits: [],
        sharedTmpReason: null,
      },
      { network: { mode: "group", path: "/run/netns/x", self: null }, mounts: [], devices: [] },
    );
    const { open, closed, risk } = exposureOf(run);
    expect(open).toEqual([]);
    expect(risk).toBeNull();
    expect(closed).toContain("its own processes");
    expect(closed).toContain("limits on ports");
    expect(closed).toContain("connections to anything but loopback");
    expect(closed).toContain("cgroups, which it cannot change");
  });

  it("does not say that there is no host path beyond the default ones beside one that is open", () => {
    const closedWith = (source: string, mode: string) =>
      exposureOf(runWith({}, { unveiled: [{ path: "/srv/x", mode, source }] })).closed;
    expect(closedWith("default", "rw")).toContain("no host path beyond the default ones");
    expect(closedWith("task", "rw")).toContain("no further host path beyond the default ones");
    expect(closedWith("task", "r").filter((each) => each.includes("host path"))).toEqual([]);
  });

  it("has no /tmp of the host where nothing of it is in the task's own root", () => {
    const { open, closed } = exposureOf(runWith({}, { sharedTmpReason: "private_tmp is false" }));
    expect(closed).toContain("no /tmp");
    expect(open.map(({ what }) => what)).not.toContain("the host's /tmp");
  });

  it("says what cgroups of a task's own mean", () => {
    const { open, closed } = exposureOf(runWith({ cgroup_delegate: true }));
    expect(open).toContainEqual({
      risk: "low",
      what: "cgroup_delegate",
      meaning: expect.stringMatching(/within the limits of its cgroup, whose files stay closed to it$/),
    });
    expect(closed).not.toContain("cgroups, which it cannot change");
  });

  it("names what is open, the most serious first, in the words of the exceptions", () => {
    const run = runWith(
      { cap_add: ["NET_ADMIN"], ipc_mode: "host" },
      { root: "host", uid: 0, seccomp: { profile: "default", allow: ["@mount"], deny: [] } },
    );
    const { open, risk } = exposureOf(run);
    expect(risk).toBe("high");
    const order = ["high", "medium", "low"];
    const ranks = open.map((each) => order.indexOf(each.risk));
    expect(ranks).toEqual(ranks.toSorted());
    const meanings = Object.fromEntries(open.map(({ what, meaning }) => [what, meaning]));
    expect(meanings["runs as root"]).toContain("the task is the host's root");
    expect(meanings['cap_add = ["net_admin"]']).toBe(exceptions.allowCaps.meaning.replaceAll("`", ""));
    expect(meanings['ipc_mode = "host"']).toBe(exceptions.allowHostIpc.meaning);
    expect(meanings["unveil rwc:/srv/data/in"]).toContain("further paths of the host");
    for (const { meaning } of open) expect(meaning).not.toMatch(/[`\]]/);
  });

  it.each([
    [{ seccomp: null }, "high", "no filter of system calls"],
    [{ seccomp: { profile: "unconfined", allow: [], deny: [] } }, "high", 'seccomp = "unconfined"'],
    [{ runCgroup: "/sys/fs/cgroup/x" }, "medium", 'pid_mode = "host"'],
    [{ root: "host", sharedTmpReason: "work_dir is there" }, "medium", "the host's /tmp"],
    [
      { sharedTmpReason: "x", unveiled: [{ path: "/tmp/a", mode: "r", source: "task" }] },
      "medium",
      "the host's /tmp",
    ],
    [
      { limits: [{ file: "memory.max", value: "1", applied: false, reason: "no controller" }] },
      "medium",
      "no limit memory.max",
    ],
    [{ unveiled: [{ path: "/var/lib", mode: "rw", source: "plugin" }] }, "high", "unveil_paths rw:/var/lib"],
    [{ unveiled: [{ path: "/etc", mode: "r", source: "task" }] }, "medium", "unveil r:/etc"],
    [{ unveiled: [{ path: "/srv/a", mode: "r", source: "task" }] }, "low", "unveil r:/srv/a"],
  ] as const)("of %j is %s", (sandbox, risk, what) => {
    expect(exposureOf(runWith({}, sandbox as Sandbox)).open).toContainEqual(
      expect.objectContaining({ risk, what }),
    );
  });
});
