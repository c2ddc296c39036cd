/** Addresses in the page: a link contains every choice, and the page restores the choices from the link. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { addressOf, linkTo } from "../../src/inspector/page/address.ts";

const word = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
const choices = fc.dictionary(word, word, { maxKeys: 4 }).map((made) => ({ ...made }));

describe("an address", () => {
  it("comes back from its link", () => {
    fc.assert(
      fc.property(fc.array(word, { maxLength: 3 }), choices, (path, chosen) => {
        expect(addressOf(linkTo(path, chosen))).toEqual({ path, choices: chosen });
      }),
    );
  });

  it("is also parsed as people paste it", () => {
    expect(addressOf("#/task/0001%2Fweb%2F00?event=7")).toEqual({
      path: ["task", "0001/web/00"],
      choices: { event: "7" },
    });
    expect(addressOf("")).toEqual({ path: [], choices: {} });
    expect(linkTo([], { search: "", outcome: "failed" })).toBe("#/?outcome=failed");
  });

  it("is parsed from any fragment", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (fragment) => {
        const { path, choices } = addressOf(fragment);
        expect(addressOf(linkTo(path, choices))).toEqual({ path, choices });
      }),
    );
    expect(addressOf("#/task/%E0%A4%A")).toEqual({ path: ["task", "%E0%A4%A"], choices: {} });
  });
});
