/** Each option of the plugin's block is a level of a factor, or is told to open nothing. */
import { describe, expect, it } from "vitest";
import { pluginSchema } from "../../../src/driver/options/pluginOptions.ts";
import { exceptions } from "../../../src/effects/exceptions.ts";
import { hclName } from "../../../src/effects/options/hclOptions.ts";
import { closing, factors, permissive } from "./options.ts";

const levels = Object.values(factors).flatMap((each) => Object.values(each));

/** The options that attacks are tried under, as the plugin's block has them. */
const tried = new Set([
  ...Object.keys(permissive),
  ...levels.flatMap(({ plugin }) => Object.keys(plugin ?? {})),
]);
const keys = Object.keys(pluginSchema.shape);

describe("each option of the plugin", () => {
  it("is tried, or has a reason why it opens nothing", () => {
    expect(keys.filter((key) => !tried.has(hclName(key)) && !(key in closing))).toEqual([]);
  });

  it("is still one, if it is tried or has a reason", () => {
    expect(Object.keys(closing).filter((key) => !keys.includes(key))).toEqual([]);
    expect([...tried].filter((name) => !keys.map(hclName).includes(name))).toEqual([]);
  });

  it("that is an exception is tried", () => {
    expect(new Set(levels.flatMap(({ exception }) => exception ?? []))).toEqual(
      new Set(Object.keys(exceptions)),
    );
  });
});
