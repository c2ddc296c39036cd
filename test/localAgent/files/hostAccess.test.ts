import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { hostAccess } from "../../../src/localAgent/files/hostAccess.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

let folder = "";
let job = "";

beforeEach(() => {
  folder = temporaryFolder();
  job = join(folder, "jobs", "web.nomad.hcl");
  mkdirSync(join(folder, "jobs", "parts"), { recursive: true });
  writeFileSync(join(folder, "jobs", "parts", "a"), "inside");
  writeFileSync(join(folder, "secret"), "outside");
  symlinkSync(join(folder, "secret"), join(folder, "jobs", "link"));
  symlinkSync("parts", join(folder, "jobs", "near"));
  mkdirSync(join(folder, "other"));
  writeFileSync(join(folder, "other", "b"), "outside");
  symlinkSync("../other", join(folder, "jobs", "far"));
});

describe("the files that a job file's functions read", () => {
  it("are all, by default", () => {
    const host = hostAccess(job);
    expect(String(host.read("parts/a"))).toBe("inside");
    expect(String(host.read("../secret"))).toBe("outside");
  });

  it("are only those below a folder", () => {
    const host = hostAccess(job, { below: join(folder, "jobs") });
    expect(String(host.read("parts/a"))).toBe("inside");
    expect(String(host.read("near/a"))).toBe("inside");
    expect(host.exists("parts/missing")).toBe(false);
    expect(host.exists("missing/too")).toBe(false);
    expect(host.filesBelow("parts")).toEqual(["a"]);
    expect(host.filesBelow(".")).toEqual(["near/a", "parts/a"]);
  });

  it.each(["../secret", "/etc/passwd", "link", "far/b", "parts/../../secret", "../missing", ".."])(
    "are not outside of this folder: %s",
    (path) => {
      const host = hostAccess(job, { below: join(folder, "jobs") });
      for (const work of [host.read, host.exists, host.filesBelow])
        expect(() => work(path)).toThrow(`${path} is outside of this folder`);
    },
  );

  it("are none", () => {
    const host = hostAccess(job, "none");
    for (const work of [host.read, host.exists, host.filesBelow])
      expect(() => work("parts/a")).toThrow("--no-files: parts/a is not read");
  });
});
