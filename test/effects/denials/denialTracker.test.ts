/** A denial is assigned to a task by domain, by process, or by the host's /proc, but never by a pid alone. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AuditRecord } from "../../../src/effects/denials/auditRecord.ts";
import { DenialTracker, type OwnedDenial } from "../../../src/effects/denials/denialTracker.ts";

const begun = 1_000_000;

function setUp(locate: (pid: number, uid: number) => string | undefined = () => undefined) {
  const denials: [string, OwnedDenial][] = [];
  const lost: [string, number][] = [];
  const tracker = new DenialTracker<string>({
    denied: (owner, denial) => void denials.push([owner, denial]),
    lost: (owner, count) => void lost.push([owner, count]),
    locate,
  });
  return { tracker, denials, lost, owners: () => denials.map(([owner]) => owner) };
}

const denial = (domain: string, serial: number, object = "/etc/passwd"): AuditRecord => ({
  kind: "denial",
  serial,
  timeMs: begun + 5,
  domain,
  blockers: ["fs.read_file"],
  object,
  request: null,
});
const made = (domain: string, pid: number, uid = 80_001, timeMs = begun + 5): AuditRecord => ({
  kind: "domain",
  serial: 1,
  timeMs,
  domain,
  pid,
  uid,
});
const call = (serial: number, pid: number, uid = 80_001): AuditRecord => ({
  kind: "call",
  serial,
  timeMs: begun + 5,
  pid,
  uid,
  parent: 1,
  program: "/bin/cat",
});
const filtered = (pid: number, uid = 80_001, timeMs = begun + 5): AuditRecord => ({
  kind: "filtered",
  serial: 9,
  timeMs,
  pid,
  uid,
  parent: undefined,
  program: "/bin/mount",
  blocker: "seccomp.mount",
});
/** Until nothing waits any more. */
const wait = (tracker: DenialTracker<string>) => {
  while (tracker.isWaiting) tracker.turn();
};
const web = { pid: 10, uid: 80_001, sinceMs: begun };

describe("a denial", () => {
  it("belongs to the task whose process created the domain, with the program of the system call", () => {
    const { tracker, denials } = setUp();
    tracker.addProcess("web", web);
    for (const record of [denial("d", 1), made("d", 10), call(1, 12)]) tracker.take(record);
    expect(denials).toMatchObject([
      ["web", { object: "/etc/passwd", program: "/bin/cat", pid: 12, domain: "d" }],
    ]);
  });

  it("waits for a process that is reported later", () => {
    const { tracker, owners } = setUp();
    for (const record of [denial("d", 1), made("d", 10), call(1, 10), denial("d", 2), call(2, 11)]) {
      tracker.take(record);
    }
    expect(owners()).toEqual([]);
    tracker.addProcess("web", web);
    expect(owners()).toEqual(["web", "web"]);
  });

  it("is reported without its program if the record of its call is missing", () => {
    const { tracker, denials } = setUp();
    tracker.addProcess("web", web);
    for (const record of [denial("d", 1), made("d", 10)]) tracker.take(record);
    for (let turn = 0; turn < 10; turn += 1) tracker.turn();
    expect(denials).toEqual([]);
    tracker.turn();
    expect(denials).toMatchObject([["web", { program: null, pid: null }]]);
    expect(tracker.isWaiting).toBe(false);
  });

  it("is reported without its program at its task's end, but keeps waiting if another task ends", () => {
    const { tracker, denials } = setUp();
    tracker.addProcess("web", web);
    tracker.addProcess("db", { pid: 11, uid: 80_002, sinceMs: begun });
    for (const record of [denial("d", 1), made("d", 10), denial("e", 2), made("e", 11, 80_002)])
      tracker.take(record);
    tracker.finishEvents("web");
    expect(denials).toMatchObject([["web", { program: null }]]);
    tracker.take(call(2, 11, 80_002));
    expect(denials).toMatchObject([
      ["web", { program: null }],
      ["db", { program: "/bin/cat", pid: 11 }],
    ]);
  });

  it.each([
    ["another user", made("d", 10, 80_002)],
    ["a time before the process began", made("d", 10, 80_001, begun - 60_000)],
    ["another pid", made("d", 11)],
  ])("of a domain with %s belongs to no task", (_, record) => {
    const { tracker, owners } = setUp();
    tracker.addProcess("web", web);
    for (const each of [denial("d", 1), record, call(1, 10)]) tracker.take(each);
    wait(tracker);
    expect(owners()).toEqual([]);
  });

  it("after the process has ended still belongs to its domain, but its pid belongs to no task", () => {
    const { tracker, owners } = setUp();
    tracker.addProcess("web", web);
    for (const record of [denial("d", 1), made("d", 10), call(1, 10)]) tracker.take(record);
    tracker.removeProcesses("web");
    for (const record of [denial("d", 2), call(2, 12), denial("e", 3), made("e", 10), call(3, 10)]) {
      tracker.take(record);
    }
    expect(owners()).toEqual(["web", "web"]);
    tracker.remove("web");
    for (const record of [denial("d", 4), call(4, 12)]) tracker.take(record);
    expect(owners()).toEqual(["web", "web"]);
  });

  it("of an older domain is assigned by the host's /proc, then by the domain", () => {
    const { tracker, owners } = setUp((pid) => (pid === 77 ? "web" : undefined));
    for (const record of [denial("d", 1), call(1, 78), denial("d", 2), call(2, 77)]) tracker.take(record);
    expect(owners()).toEqual(["web", "web"]);
    for (const record of [denial("d", 3), call(3, 78)]) tracker.take(record);
    expect(owners()).toHaveLength(3);
  });

  it("of a domain that earlier events name belongs to their task", () => {
    const { tracker, owners } = setUp();
    tracker.addDomain("web", "d");
    for (const record of [denial("d", 1), call(1, 78)]) tracker.take(record);
    expect(owners()).toEqual(["web"]);
  });

  it("is not taken from its owner by a domain of the same creator", () => {
    const { tracker, owners } = setUp();
    tracker.addProcess("web", web);
    for (const record of [denial("d", 1), made("d", 10), call(1, 10)]) tracker.take(record);
    tracker.addProcess("db", { ...web, sinceMs: begun + 1 });
    for (const record of [denial("d", 2), made("d", 10), call(2, 10)]) tracker.take(record);
    expect(owners()).toEqual(["web", "web"]);
  });
});

describe("a filtered call", () => {
  it("is reported once, as soon as its task's process is known, whether the call's record comes or not", () => {
    const { tracker, owners } = setUp();
    tracker.take(filtered(10));
    tracker.addProcess("db", { pid: 11, uid: 80_002, sinceMs: begun });
    expect(owners()).toEqual([]);
    tracker.addProcess("web", web);
    expect(owners()).toEqual(["web"]);
    tracker.take(call(9, 10));
    wait(tracker);
    expect(owners()).toEqual(["web"]);
  });

  it("belongs to the task of the process, of its parent, or by the host's /proc", () => {
    const { tracker, owners } = setUp((pid) => (pid === 77 ? "db" : undefined));
    tracker.addProcess("web", web);
    tracker.take(filtered(10));
    tracker.take(filtered(77));
    tracker.take(filtered(12));
    tracker.take({ ...call(9, 12), parent: 10 } as AuditRecord);
    expect(owners()).toEqual(["web", "db", "web"]);
  });

  it.each([filtered(10, 80_002), filtered(11), filtered(10, 80_001, begun - 60_000)])(
    "of another user, pid or time belongs to no task",
    (record) => {
      const { tracker, owners } = setUp();
      tracker.addProcess("web", web);
      tracker.take(record);
      wait(tracker);
      expect(owners()).toEqual([]);
    },
  );

  it("waits until its process is reported", () => {
    const { tracker, owners } = setUp();
    tracker.take(filtered(10));
    wait(tracker);
    tracker.addProcess("web", web);
    expect(owners()).toEqual(["web"]);
  });

  it("of a child waits until its parent is reported, after the record of the call too", () => {
    const { tracker, owners } = setUp();
    tracker.take(filtered(12));
    tracker.take({ ...call(9, 12), parent: 10 } as AuditRecord);
    tracker.addProcess("db", { pid: 11, uid: 80_001, sinceMs: begun });
    expect(owners()).toEqual([]);
    tracker.addProcess("web", web);
    expect(owners()).toEqual(["web"]);
  });
});

it("denials that the kernel counted but did not record are reported as lost if all records of the domain were seen", () => {
  const { tracker, lost } = setUp();
  tracker.addProcess("web", web);
  for (const record of [denial("d", 1), made("d", 10), call(1, 10)]) tracker.take(record);
  const end = (domain: string): AuditRecord => ({
    kind: "domainEnd",
    serial: 1,
    timeMs: begun,
    domain,
    denials: 100,
  });
  tracker.take(end("d"));
  tracker.addDomain("web", "e");
  tracker.take(end("e"));
  tracker.take(end("nobody's"));
  expect(lost).toEqual([["web", 99]]);
});

describe("if the record of a domain's creator is lost,", () => {
  const end: AuditRecord = { kind: "domainEnd", serial: 3, timeMs: begun + 9, domain: "d", denials: 100 };

  it.each([
    ["lost denials are counted of a task that began afterwards", begun, [["web", 99]]],
    ["nothing is known of what an earlier task was denied before", begun + 1, []],
  ])("%s", (_, sinceMs, expected) => {
    const { tracker, lost } = setUp(() => "web");
    tracker.begin(sinceMs);
    tracker.addProcess("web", web);
    for (const record of [denial("d", 1), call(1, 10)]) tracker.take(record);
    expect(tracker.awaits("web")).toBe(expected.length > 0);
    tracker.take(end);
    expect(lost).toEqual(expected);
    expect(tracker.awaits("web")).toBe(false);
  });

  it("lost denials are also counted if the task becomes known later", () => {
    const { tracker, denials, lost } = setUp();
    tracker.begin(begun);
    for (const record of [denial("d", 1), call(1, 10), denial("d", 2), call(2, 10)]) tracker.take(record);
    tracker.addProcess("web", web);
    tracker.take(end);
    expect([denials.length, lost]).toEqual([2, [["web", 98]]]);
  });
});

it("a task's records are complete once the kernel has told the ends of its domains", () => {
  const { tracker } = setUp();
  tracker.addProcess("web", web);
  expect(tracker.awaits("web")).toBe(false);
  for (const record of [denial("d", 1), made("d", 10), call(1, 10)]) tracker.take(record);
  expect([tracker.awaits("web"), tracker.awaits("db")]).toEqual([true, false]);
  tracker.take({ kind: "domainEnd", serial: 2, timeMs: begun + 9, domain: "d", denials: 1 });
  expect(tracker.awaits("web")).toBe(false);
});

it("denials of a task that has ended are its own although it is known only afterwards", () => {
  const { tracker, denials, lost } = setUp();
  const end: AuditRecord = { kind: "domainEnd", serial: 3, timeMs: begun, domain: "d", denials: 3 };
  for (const record of [denial("d", 1), made("d", 10), call(1, 10), denial("d", 2), call(2, 10), end])
    tracker.take(record);
  tracker.addProcess("web", web);
  expect(denials).toHaveLength(2);
  expect(lost).toEqual([["web", 1]]);
});

it("denials of strangers that have ended are not held for long", () => {
  const { tracker, denials } = setUp();
  const end = (domain: string, timeMs: number): AuditRecord => ({
    ...{ kind: "domainEnd", serial: 2, timeMs, domain, denials: 1 },
  });
  for (const record of [denial("d", 1), made("d", 10), call(1, 10), end("d", begun)]) tracker.take(record);
  tracker.take(end("other", begun + 60_000));
  tracker.addProcess("web", web);
  expect(denials).toEqual([]);
});

it("in any order and mixture, each denial is assigned to its domain's owner exactly once", () => {
  const owners = ["web", "db", "cache"];
  const denials = fc.array(fc.nat(3), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(denials, fc.array(fc.nat(), { maxLength: 6 }), (domains, reportedAt) => {
      const { tracker, denials: found } = setUp();
      const report = (n: number) => {
        const owner = owners[n];
        if (owner !== undefined) tracker.addProcess(owner, { pid: 10 + n, uid: 80_001 + n, sinceMs: begun });
      };
      const seen = new Set<number>();
      for (const [serial, n] of domains.entries()) {
        if (reportedAt.some((at) => at % domains.length === serial)) report(n % 3);
        tracker.take(denial(`d${n}`, serial, `/${n}`));
        // The fourth domain is made by an unrelated process with a task's pid but another user.
        if (!seen.has(n)) tracker.take(made(`d${n}`, n === 3 ? 10 : 10 + n, n === 3 ? 99 : 80_001 + n));
        seen.add(n);
        tracker.take(call(serial, 100 + n));
      }
      for (const n of [0, 1, 2]) report(n);
      wait(tracker);
      for (const [owner, { object }] of found) expect(object).toBe(`/${owners.indexOf(owner)}`);
      expect(found).toHaveLength(domains.filter((n) => n < 3).length);
    }),
  );
});

it("only a limited number of denials of unrelated processes is kept", () => {
  const { tracker, owners } = setUp();
  for (let n = 0; n < 10_000; n += 1) {
    for (const record of [denial(`d${n}`, n), made(`d${n}`, 10), call(n, 10)]) tracker.take(record);
  }
  for (let n = 0; n < 40_000; n += 1)
    for (const each of [denial("d9999", n), call(n, 10)]) tracker.take(each);
  tracker.addProcess("web", web);
  expect(owners().length).toBe(16_384);
});

it("many denials of a task and of other processes may come before the task's process is known", () => {
  const { tracker, owners } = setUp();
  for (const each of [made("stranger", 77), made("own", 10)]) tracker.take(each);
  for (let n = 0; n < 20_000; n += 1)
    for (const each of [denial("stranger", n), call(n, 77)]) tracker.take(each);
  for (let n = 0; n < 5_000; n += 1) for (const each of [denial("own", n), call(n, 10)]) tracker.take(each);
  tracker.addProcess("web", web);
  expect(owners().length).toBe(5_000);
});
