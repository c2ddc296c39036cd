import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  capabilityNames,
  capabilityNumbers,
  capabilitySet,
  formatCapabilities,
} from "../../../src/effects/kernel/capabilities.ts";
import {
  capabilityProblem,
  contradiction,
  wantedCapabilities,
} from "../../../src/effects/users/capabilityOptions.ts";

const name = fc.constantFrom(...capabilityNames);
const all = capabilitySet(["all"]);
const wanted = (base: string[], capAdd: string[], capDrop: string[]) =>
  formatCapabilities(wantedCapabilities(capabilitySet(base), { capAdd, capDrop }));

describe("names of capabilities", () => {
  it.each(["net_bind_service", "NET_BIND_SERVICE", "CAP_NET_BIND_SERVICE", "cap_Net_Bind_Service", " kill "])(
    "%s is one",
    (written) => {
      expect(capabilityProblem(written)).toBeUndefined();
    },
  );

  it.each([
    ["net_bind_servce", "Did you mean net_bind_service?"],
    ["CAP_SYS_ADMN", "Did you mean sys_admin?"],
    ["cap_cap_kill", "Known names"],
    ["al", "Did you mean all?"],
    ["", "Known names: all, audit_control"],
    ["everything", "Known names"],
    ["__proto__", "Known names"],
  ])("%j is refused with a suggestion", (written, hint) => {
    expect(capabilityProblem(written)).toMatchObject({
      message: `(${JSON.stringify(written)}) is not a capability`,
      hint: expect.stringContaining(hint),
    });
  });

  it("have the same meaning in any spelling", () => {
    fc.assert(
      fc.property(name, (plain) => {
        expect(capabilitySet([`CAP_${plain.toUpperCase()}`])).toBe(capabilitySet([plain]));
        expect(capabilityNumbers(capabilitySet([plain]))).toEqual([capabilityNames.indexOf(plain)]);
      }),
    );
  });

  it("of newer kernels are numbers", () => {
    expect(formatCapabilities((1n << 45n) | 1n)).toBe("chown, 45");
  });
});

describe("the capabilities of a task are", () => {
  it.each([
    ["none by default", [], [], [], ""],
    ["those that cap_add lists", [], ["kill", "chown"], [], "chown, kill"],
    ["those that cap_add lists, if cap_drop has all", ["chown"], ["kill"], ["all"], "kill"],
    ["root's, without those that cap_drop lists", ["chown", "kill"], [], ["CAP_KILL"], "chown"],
    ["none for root, if cap_drop has all", ["chown", "kill"], [], ["ALL"], ""],
  ])("%s", (_, base, add, drop, expected) => {
    expect(wanted(base, add, drop)).toBe(expected);
  });

  it("all except dropped ones", () => {
    const most = wantedCapabilities(0n, { capAdd: ["all"], capDrop: ["sys_admin"] });
    expect(most | capabilitySet(["sys_admin"])).toBe(all);
    expect(most).not.toBe(all);
  });

  it("never one that is dropped by name", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: all }),
        fc.array(name),
        fc.array(name, { minLength: 1 }),
        (base, add, drop) => {
          const capAdd = add.filter((each) => !drop.includes(each));
          const wish = wantedCapabilities(base, { capAdd, capDrop: drop });
          expect(wish & capabilitySet(drop)).toBe(0n);
          expect(wish & capabilitySet(capAdd)).toBe(capabilitySet(capAdd));
        },
      ),
    );
  });
});

describe("a contradiction", () => {
  it.each([
    [["kill"], ["CAP_KILL"], '"cap_add" and "cap_drop" both name kill'],
    [["all"], ["ALL"], "both name all"],
  ])("is to add %j and to drop %j", (capAdd, capDrop, problem) => {
    expect(contradiction({ capAdd, capDrop })).toContain(problem);
  });

  it.each([
    [["all"], ["kill"]],
    [["kill"], ["all"]],
    [[], []],
  ])("is not to add %j and to drop %j", (capAdd, capDrop) => {
    expect(contradiction({ capAdd, capDrop })).toBeUndefined();
  });
});
