/** Changes of a running task's list, under the rules of its start. */
import { describe, expect, it } from "vitest";
import { type EgressEdit, editedEgress } from "../../../src/effects/egress/egressChange.ts";

const present = ["10.0.0.0/8:5432", "api.example.org:443"];
const open = { egress: undefined, egressDenied: [] };
const edit = (given: Partial<EgressEdit>) => ({ set: undefined, add: [], remove: [], ...given });
const edited = (given: Partial<EgressEdit>, client: Parameters<typeof editedEgress>[2] = open) =>
  editedEgress(present, edit(given), client);

describe("a change", () => {
  it("adds, removes and replaces entries", () => {
    expect(edited({ add: ["192.0.2.7"], remove: ["10.0.0.0/8:5432"] })).toEqual({
      allowed: ["api.example.org:443", "192.0.2.7"],
      added: ["192.0.2.7"],
      removed: ["10.0.0.0/8:5432"],
    });
    expect(edited({ set: [] })).toEqual({ allowed: [], added: [], removed: present });
    expect(edited({ set: ["192.0.2.7", ...present.toReversed()] })).toEqual({
      allowed: ["192.0.2.7", ...present.toReversed()],
      added: ["192.0.2.7"],
      removed: [],
    });
  });

  it("knows an entry in another spelling", () => {
    expect(edited({ add: ["API.example.org:443", "192.0.2.7/32", "192.0.2.7"] })).toEqual({
      allowed: [...present, "192.0.2.7/32"],
      added: ["192.0.2.7/32"],
      removed: [],
    });
    expect(edited({ remove: ["Api.Example.ORG:443"] }).removed).toEqual(["api.example.org:443"]);
  });

  it.each([
    [{ add: ["*.example.org"] }, "wildcard"],
    [{ remove: ["not an entry"] }, "is no address, range or name"],
    [{ remove: ["10.0.0.0/8"] }, "has no entry 10.0.0.0/8: it has 10.0.0.0/8:5432, api.example.org:443"],
    [
      { set: Array.from({ length: 257 }, (_, index) => `10.0.${index >> 8}.${index & 255}`) },
      "more than 256 entries",
    ],
    [{ set: Array.from({ length: 65 }, (_, index) => `n${index}.example.org`) }, "more than 64 names"],
  ])("is refused: %j", (given, text) => {
    expect(() => edited(given)).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID", message: expect.stringContaining(text) }),
    );
  });

  it("never adds what is beyond the client's list, or within what it denies, even by a set of the whole", () => {
    const client = { egress: ["192.0.2.0/24"], egressDenied: ["192.0.2.9"] };
    for (const entries of [["198.51.100.7"], ["192.0.2.9:443"], ["api.example.org"], ["0.0.0.0/0"]])
      for (const given of [{ add: entries }, { set: entries }])
        expect(() => edited(given, client)).toThrow(
          expect.objectContaining({ code: "CONFIG_INVALID", option: "egress" }),
        );
    expect(edited({ add: ["192.0.2.8"] }, client).added).toEqual(["192.0.2.8"]);
  });

  it("may always take entries away, also of a task that has more than the client's list by now", () => {
    expect(
      edited({ remove: ["api.example.org:443"] }, { egress: [], egressDenied: ["10.0.0.0/8"] }).allowed,
    ).toEqual(["10.0.0.0/8:5432"]);
  });
});
