import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isAtOrBelow } from "../../../src/effects/paths/paths.ts";
import {
  formatMode,
  formatUnveil,
  parseUnveil,
  type UnveilMode,
  unionOfModes,
  unveilProblem,
} from "../../../src/effects/unveil/unveil.ts";
import { errorOf } from "../../support/errors.ts";

const mode = (letters: string): UnveilMode => ({
  read: letters.includes("r"),
  write: letters.includes("w"),
  execute: letters.includes("x"),
  create: letters.includes("c"),
});

describe("parseUnveil", () => {
  test.each([
    ["r:/srv/www", "r", "/srv/www"],
    ["rwc:/tmp", "rwc", "/tmp"],
    ["rx:/opt/bin/application", "rx", "/opt/bin/application"],
    ["wc:/var/log", "wc", "/var/log"],
    ["cxwr:/all", "rwxc", "/all"],
    ["cwrr:/x", "rwc", "/x"],
    ["r:/", "r", "/"],
    ["r:/proc/self/mountinfo", "r", "/proc/self/mountinfo"],
    ["r:/a:b", "r", "/a:b"],
    ["r:/:", "r", "/:"],
    ["r:/with space/ümlaut", "r", "/with space/ümlaut"],
    ["r:/srv//www/./", "r", "/srv/www"],
    ["r:/...", "r", "/..."],
  ])("reads %s", (entry, letters, path) => {
    expect(parseUnveil(entry, "task")).toEqual({ path, mode: mode(letters), source: "task" });
  });

  test("keeps the source", () => {
    expect(parseUnveil("r:/x", "plugin").source).toBe("plugin");
  });

  test.each([
    ["", "is empty"],
    ["r", "no colon"],
    ["/srv/www", "no colon"],
    [":/x", "no mode"],
    ["zz:/x", 'unknown mode letter "z"'],
    ["R:/x", 'unknown mode letter "R"'],
    ["r :/x", 'unknown mode letter " "'],
    ["rrz:/x", 'unknown mode letter "z"'],
    ["r:", "no path"],
    ["r:srv", "not absolute"],
    ["r: /srv", "not absolute"],
    ["r:~/x", "not absolute"],
    ["r:/srv/*", 'pattern character "*"'],
    ["r:/srv/?", 'pattern character "?"'],
    ["r:/srv/[ab]", 'pattern character "["'],
    ["r:/srv/../etc", '".."'],
    ["r:/..", '".."'],
    ["r:/srv\0", "NUL byte"],
  ])("refuses %j", (entry, reason) => {
    const error = errorOf(() => parseUnveil(entry, "task"));
    expect(error.code).toBe("CONFIG_INVALID");
    expect(error.message).toContain(JSON.stringify(entry));
    expect(error.message).toContain(reason);
    expect(error.hint).toBeTruthy();
  });

  test("says what to write instead of a pattern", () => {
    expect(unveilProblem("r:/srv/*")?.hint).toContain("name the folder");
  });
});

const letters = fc.shuffledSubarray(["r", "w", "x", "c"], { minLength: 1 });
const segment = fc
  .string({ minLength: 1 })
  .filter((text) => !/[/*?[\0]/.test(text) && text !== "." && text !== "..");
const segments = fc.array(segment, { maxLength: 5 });

test("formatted entries can be parsed again", () => {
  fc.assert(
    fc.property(letters, segments, (chosen, parts) => {
      const entry = parseUnveil(`${chosen.join("")}:/${parts.join("/")}`, "task");
      expect(entry.path).toBe(`/${parts.join("/")}`);
      expect([...formatMode(entry.mode)].sort()).toEqual([...chosen].sort());
      expect(parseUnveil(formatUnveil(entry), "task")).toEqual(entry);
    }),
  );
});

test("any string is either read or refused with a reason", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `r:/${text}`),
      ),
      (entry) => {
        if (unveilProblem(entry) !== undefined) {
          expect(errorOf(() => parseUnveil(entry, "task")).code).toBe("CONFIG_INVALID");
          return;
        }
        expect(parseUnveil(entry, "task").path).toMatch(/^\/(?!.*\/$)|^\/$/);
      },
    ),
  );
});

test("a union allows what either mode does", () => {
  fc.assert(
    fc.property(letters, letters, (one, other) => {
      const union = unionOfModes(mode(one.join("")), mode(other.join("")));
      expect(union).toEqual(mode([...one, ...other].join("")));
    }),
  );
});

test.each([
  ["/tmp", "/tmp", true],
  ["/tmp/x", "/tmp", true],
  ["/tmpx", "/tmp", false],
  ["/", "/tmp", false],
  ["/x", "/", true],
])("%s at or below %s: %s", (path, folder, expected) => {
  expect(isAtOrBelow(path, folder)).toBe(expected);
});
