import fc from "fast-check";
import { expect, it } from "vitest";
import { parseEnviron } from "../../../src/effects/exec/taskEnviron.ts";

it("the kernel's form of an environment is parsed", () => {
  const name = fc.stringMatching(/^[^=\0]+$/).filter((text) => text !== "__proto__");
  const value = fc.string().filter((text) => !text.includes("\0"));
  fc.assert(
    fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (env) => {
      const text = Object.entries(env).map((entry) => `${entry.join("=")}\0`);
      expect(parseEnviron(text.join(""))).toEqual(env);
    }),
  );
});

it("entries that a program has overwritten are omitted", () => {
  expect(parseEnviron("nginx: worker process\0\0\0=x\0PATH=/bin\0A=b=c")).toEqual({ PATH: "/bin", A: "b=c" });
});
