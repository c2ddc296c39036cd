import { describe, expect, it } from "vitest";
import { resolvConf } from "../../../src/effects/network/resolvConf.ts";
import { errorOf } from "../../support/errors.ts";

describe("resolv.conf", () => {
  it("has a line for each server, and one for all searches and options", () => {
    const dns = {
      servers: ["10.0.0.2", "fd00::53"],
      searches: ["a.test", "b.test"],
      options: ["ndots:2", "edns0"],
    };
    expect(resolvConf(dns)).toBe(
      "nameserver 10.0.0.2\nnameserver fd00::53\nsearch a.test b.test\noptions ndots:2 edns0\n",
    );
  });

  it("leaves out what is not given", () => {
    expect(resolvConf({ servers: ["10.0.0.2"], searches: [], options: [] })).toBe("nameserver 10.0.0.2\n");
    expect(resolvConf({ servers: [], searches: [], options: [] })).toBe("");
  });

  it.each(["", "a b", "10.0.0.2\nnameserver 6.6.6.6", "a\tb", "a\0b"])("refuses %j", (word) => {
    for (const field of ["servers", "searches", "options"] as const) {
      const dns = { servers: [], searches: [], options: [], [field]: [word] };
      expect(errorOf(() => resolvConf(dns)).code).toBe("CONFIG_INVALID");
    }
  });
});
