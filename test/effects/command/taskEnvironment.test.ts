import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { defaultPath, taskEnvironment } from "../../../src/effects/command/taskEnvironment.ts";
import { errorOf } from "../../support/errors.ts";

const user = { name: "nomad-86175", home: "/nonexistent" };
const folders = { tmpDir: "/alloc_mounts/1-main/tmp" };
const made = (
  env: Record<string, string>,
  { deniedEnvvars = [], cores }: { deniedEnvvars?: string[]; cores?: number | undefined } = {},
) => taskEnvironment(env, user, folders.tmpDir, { deniedEnvvars, cores });

describe("environment of a task", () => {
  it("has the task's user, home and temporary folder, not the agent's", () => {
    expect(made({ HOME: "/root", USER: "root", TMPDIR: "/tmp", PATH: "/bin" })).toEqual({
      USER: "nomad-86175",
      HOME: "/nonexistent",
      TMPDIR: "/alloc_mounts/1-main/tmp",
      PATH: "/bin",
    });
  });

  it("keeps the job's variables, empty values included", () => {
    expect(made({ A: "", B: "x=y", "odd name": "ä\n" })).toMatchObject({
      A: "",
      B: "x=y",
      "odd name": "ä\n",
    });
  });

  it("has a PATH if the agent sends none, but never replaces one", () => {
    expect(made({}).PATH).toBe(defaultPath);
    expect(made({ PATH: "" }).PATH).toBe("");
  });

  it.each([
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "LD_",
    "LS_COLORS",
    "XAUTHORITY",
    "DISPLAY",
    "COLORTERM",
    "MAIL",
  ])("leaves %s out", (name) => {
    expect(made({ [name]: "x" })).not.toHaveProperty(name);
  });

  it.each(["LDAP_URL", "XLD_PRELOAD", "DISPLAY_NAME", "ld_preload"])("keeps %s", (name) => {
    expect(made({ [name]: "x" })).toHaveProperty(name, "x");
  });

  it.each([
    ["", "has no name"],
    ["TOKEN=s3cret", '"TOKEN"…'],
    ["=s3cret", '""…'],
    ["NU\0L", String.raw`"NU\u0000L"`],
  ])("refuses the name %j without showing a value", (name, shown) => {
    const error = errorOf(() => made({ [name]: "s3cret" }));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain(shown);
    expect(error.message).not.toContain("s3cret");
  });

  it("refuses a value that execve would truncate, without showing it", () => {
    const error = errorOf(() => made({ TOKEN: "s3cret\0rest" }));
    expect(error).toMatchObject({ code: "CONFIG_INVALID", message: expect.stringContaining('"TOKEN"') });
    expect(error.message).not.toContain("s3cret");
  });

  it("passes everything else on unchanged", () => {
    const name = fc
      .string({ unit: "grapheme", minLength: 1 })
      .filter(
        (text) => !/[=\0]/.test(text) && !/^(LD_.*|LS_COLORS|XAUTHORITY|DISPLAY|COLORTERM|MAIL)$/s.test(text),
      );
    const value = fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0"));
    const added = { PATH: defaultPath };
    const own = { USER: user.name, HOME: user.home, TMPDIR: folders.tmpDir };
    fc.assert(
      fc.property(fc.dictionary(name, value, { noNullPrototype: true }), (env) => {
        expect(new Map(Object.entries(made(env)))).toEqual(
          new Map([...Object.entries(added), ...Object.entries(env), ...Object.entries(own)]),
        );
      }),
      { examples: [[Object.fromEntries([["__proto__", "x"]])], [{ constructor: "x" }]] },
    );
  });

  it.each([
    [0.1, "1"],
    [1, "1"],
    [1.01, "2"],
    [4, "4"],
  ])("with %d cores at most, tells Go programs to use %s threads", (cores, threads) => {
    expect(made({}, { cores })).toHaveProperty("GOMAXPROCS", threads);
  });

  it("leaves GOMAXPROCS as the job sets it, and omits it if nothing limits the task", () => {
    expect(made({ GOMAXPROCS: "7" }, { cores: 2 })).toHaveProperty("GOMAXPROCS", "7");
    expect(made({})).not.toHaveProperty("GOMAXPROCS");
    expect(made({}, { cores: 2, deniedEnvvars: ["GOMAX*"] })).not.toHaveProperty("GOMAXPROCS");
  });

  it.each([
    ["AWS_*", "AWS_SECRET_ACCESS_KEY"],
    ["*_TOKEN", "GITHUB_TOKEN"],
    ["*SECRET*", "SECRET"],
    ["A*B*C", "A-B-B-C"],
    ["HOSTNAME", "HOSTNAME"],
    ["a.b", "a.b"],
    ["*", "line\nbreak"],
  ])("with the pattern %j, leaves out %j", (pattern, name) => {
    expect(made({ [name]: "x" }, { deniedEnvvars: [pattern] })).not.toHaveProperty([name]);
  });

  it.each([
    ["AWS_*", "MY_AWS_KEY"],
    ["*_TOKEN", "TOKENS"],
    ["HOSTNAME", "HOSTNAME2"],
    ["a.b", "acb"],
    ["", "x"],
    ["aws_*", "AWS_KEY"],
  ])("with the pattern %j, keeps %j", (pattern, name) => {
    expect(made({ [name]: "x" }, { deniedEnvvars: [pattern] })).toHaveProperty([name], "x");
  });

  it("keeps the driver's own variables, even if a pattern denies them", () => {
    expect(Object.keys(made({ A: "x" }, { deniedEnvvars: ["*"] })).sort()).toEqual([
      "HOME",
      "PATH",
      "TMPDIR",
      "USER",
    ]);
  });
});

/** Matches by the definition: a star stands for no characters, or for one character and another star. */
function matchesByDefinition(glob: string, text: string): boolean {
  if (glob === "") return text === "";
  if (glob[0] !== "*") return glob[0] === text[0] && matchesByDefinition(glob.slice(1), text.slice(1));
  return (
    matchesByDefinition(glob.slice(1), text) || (text !== "" && matchesByDefinition(glob, text.slice(1)))
  );
}

/** Whether a pattern removes a variable. A letter before name and pattern makes every name valid. */
function isDenied(glob: string, name: string): boolean {
  return !Object.hasOwn(made({ [`x${name}`]: "" }, { deniedEnvvars: [`x${glob}`] }), `x${name}`);
}

describe("a pattern of denied_envvars", () => {
  it("matches as its definition says", () => {
    const few = (...characters: string[]) =>
      fc.string({ unit: fc.constantFrom(...characters), maxLength: 9 });
    const glob = few("a", "b", "*", ".", "\n");
    const name = few("a", "b", ".", "\n");
    fc.assert(
      fc.property(glob, name, (glob, name) => {
        expect(isDenied(glob, name)).toBe(matchesByDefinition(glob, name));
      }),
      {
        numRuns: 2000,
        examples: [
          ["a*a", "a"],
          ["*ab*b", "ab"],
          ["", ""],
          ["*", ""],
          ["**", "a"],
        ],
      },
    );
  });

  it("is fast for a name on which backtracking would not end", () => {
    expect(isDenied("*a*a*a*a*a*b*", "a".repeat(100_000))).toBe(false);
  });
});
