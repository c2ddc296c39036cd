/** What `why --prove` takes from a cause, and how it puts outcomes into words. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Outcome, otherEnd, outcomeText, verdictOn } from "../../../src/history/prove/outcomes.ts";
import { advisedOptions, isPlain, proofOf } from "../../../src/history/prove/trials.ts";
import type { Cause } from "../../../src/machines/events/cause.ts";
import { shortList } from "../../../src/units/longLists.ts";

const cause = (text: string, grade: Cause["grade"] = "witnessed"): Cause => ({
  grade,
  kind: "denied",
  text,
  line: null,
});

type Request = Parameters<typeof proofOf>[0];

const request = (options: Record<string, unknown>, more: Partial<Request> = {}): Request =>
  ({
    options: { command: "sh", args: [], ...options },
    user: "nomad-80000",
    resources: { cpuMhz: 100, memoryMb: 300, memoryMaxMb: 0, cpusetCpus: "", cgroup: "" },
    envKeys: [],
    allocDir: "/alloc/one",
    allocId: "one",
    ...more,
  }) as Request;

describe("the advice of a cause", () => {
  it("is its own field, whatever its text says", () => {
    const path = `/x/${"y".repeat(400)}`;
    const own = { ...cause("it was denied reading … allows it"), kind: "denied" } as const;
    const advice = [
      { option: "unveil", value: [`r:${path}`], extent: "with everything below it" },
      { option: "cap_add", value: ["net_bind_service"] },
    ];
    expect(advisedOptions({ ...own, advice })).toEqual({
      unveil: [`r:${path}`],
      cap_add: ["net_bind_service"],
    });
    expect(advisedOptions({ ...own, advice, grade: "words" })).toBeUndefined();
    expect(advisedOptions({ ...own, advice: [{ option: "root", value: ["host"] }] })).toBeUndefined();
    const chosen = 'it was denied reading /x; unveil = ["rwxc:/"] allows it';
    expect(advisedOptions({ ...cause(chosen), advice: [] })).toBeUndefined();
  });

  it.each([
    ['it was denied reading /x; unveil = ["r:/x"] allows it', { unveil: ["r:/x"] }],
    ['it last missed /x, which the host has, but not its root: unveil = ["r:/x"]', { unveil: ["r:/x"] }],
    ['it was denied y; unveil = ["r:/x"] (with everything below /x) allows it', { unveil: ["r:/x"] }],
    ['port 80 is below 1024: it takes cap_add = ["net_bind_service"]', { cap_add: ["net_bind_service"] }],
    ['the folder belongs to root: chown it, or idmapped_volumes = ["/d"]', { idmapped_volumes: ["/d"] }],
    ["its root has no /etc/passwd: identity_files = true makes one", { identity_files: true }],
  ])("is read from an earlier one's text: %s", (text, options) => {
    expect(advisedOptions(cause(text))).toEqual(options);
  });

  it("is none without a witness, and none from a text that was cut", () => {
    const text = 'it was denied reading /x; unveil = ["r:/x"] allows it';
    expect(advisedOptions(cause(text, "words"))).toBeUndefined();
    expect(advisedOptions(cause(text.replace("/x;", "…;")))).toBeUndefined();
    expect(advisedOptions(cause('it did; root = ["host"] allows it'))).toBeUndefined();
  });

  it("is never taken from a name that the task has chosen", () => {
    const part = fc.constantFrom(
      'unveil = ["rwxc:/"]',
      "; ",
      ": ",
      ", ",
      " and ",
      " allows it",
      '"',
      "]",
      "\\",
      "/a",
      " (",
      ")",
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), (parts) => {
        const name = `/${parts.join("")}`;
        const entry = `r:${name}`;
        const found = advisedOptions(
          cause(`it was denied reading ${name}; unveil = [${JSON.stringify(entry)}] allows it`),
        );
        expect([undefined, JSON.stringify({ unveil: [entry] })]).toContain(found && JSON.stringify(found));
      }),
      { numRuns: 1_000 },
    );
  });
});

describe("the trials", () => {
  it("have one difference each, and the advice beside what the run had", () => {
    const failed = request({ unveil: ["r:/a"], args: ["-c", "/alloc/one/x"] }, { envKeys: ["NEW"] });
    const good = request(
      { unveil: ["r:/a", "r:/b"], args: ["-c", "/alloc/two/x"] },
      { envKeys: ["OLD"], allocDir: "/alloc/two", allocId: "two", user: "nomad-80001" },
    );
    const { trials } = proofOf(failed, cause('it did; unveil = ["r:/c"] allows it'), good, ["NEW", "OTHER"]);
    expect(trials.map(({ text }) => text)).toEqual([
      'unveil = ["r:/c"]',
      'unveil = ["r:/a","r:/b"] of its last good run',
      "variable NEW left out",
    ]);
    expect(trials[0]?.setup.options.unveil).toEqual(["r:/a", "r:/c"]);
  });

  it("do not name arguments", () => {
    const { trials } = proofOf(request({ args: ["secret"] }), null, request({ args: ["hidden"] }), []);
    expect(trials.map(({ text }) => text)).toEqual(["args of its last good run"]);
  });

  it("leave out what is recorded in another form", () => {
    const { trials, untried } = proofOf(request({ disk_limit: 1 }), null, request({ disk_limit: 2 }), []);
    expect([trials, untried]).toEqual([[], ["disk_limit"]]);
    expect(isPlain("mount", [{}])).toBe(false);
  });

  it("leave out arguments of which a part is recorded", () => {
    const good = request({ args: shortList(["x".repeat(100_000)], "argument") });
    const { trials, untried } = proofOf(request({ args: ["x"] }), null, good, []);
    expect([trials, untried]).toEqual([[], ["args"]]);
  });
});

describe("the outcome", () => {
  const exits = (exitCode: number): Outcome => ({ kind: "exited", exitCode });

  it("names what helps, or says that nothing does", () => {
    const tried = [
      { text: "a", outcome: exits(1) },
      { text: "b", outcome: exits(0) },
    ];
    expect(verdictOn(tried)).toEqual({ text: "with b it exits 0", code: 0 });
    expect(verdictOn(tried.slice(0, 1))).toEqual({ text: "this change does not help", code: 1 });
    const none = Array.from({ length: 4 }, () => ({ text: "a", outcome: exits(2) }));
    expect(verdictOn(none)).toEqual({ text: "none of these 4 changes helps", code: 1 });
  });

  it("counts a trial that still runs as one that does not fail", () => {
    const outcome: Outcome = { kind: "running", afterMs: 5_000 };
    expect(outcomeText(outcome)).toMatch(/^it still runs after 5/);
    expect(verdictOn([{ text: "a", outcome }]).code).toBe(0);
    expect(otherEnd(exits(1), exits(1))).toBeUndefined();
  });
});
