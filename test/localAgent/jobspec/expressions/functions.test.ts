import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DriverError } from "../../../../src/base/errors.ts";
import { goPatterns } from "../../../../src/localAgent/files/goPatterns.ts";
import type { HostAccess } from "../../../../src/localAgent/jobspec/expressions/functions/files.ts";
import { hclEvaluator } from "../../../../src/localAgent/jobspec/expressions/hcl.ts";
import type { Value } from "../../../../src/localAgent/jobspec/expressions/values.ts";

const files: Record<string, Buffer> = {
  motd: Buffer.from("hello\n"),
  logo: Buffer.from([0xff, 0xfe]),
};
const host: HostAccess = {
  read: (path) => {
    const found = files[path];
    if (found) return found;
    throw new DriverError("JOB_INVALID", `${path} cannot be read`);
  },
  exists: (path) => path in files,
  filesBelow: () => ["b.conf", "a.conf", "sub/c.conf", "readme.md", ".x"],
  absolute: (path) => `/job/${path}`,
  home: "/home/ada",
  randomUuid: () => "00000000-0000-4000-8000-000000000001",
  patterns: goPatterns(),
};
const hcl = hclEvaluator(host);
const value = (source: string) => hcl.constant(source, () => undefined);

describe("the functions of texts", () => {
  it.each([
    ['chomp("a\\r\\n\\n")', "a"],
    [
      'format("%s has %d %%, %5.2f|%-4s|%04d|%+d|%x|%q|%t|%v", "it", 5, 3.14159, "ab", 42, 7, 255, "q", true, [1])',
      'it has 5 %,  3.14|ab  |0042|+7|ff|"q"|true|[1]',
    ],
    ['format("%[2]s-%[1]s", "a", "b")', "b-a"],
    ['format("%e %g %#v", 1500, 0.00001, {a = "x"})', '1.500000e+03 1e-05 {"a":"x"}'],
    ['formatlist("%s-%d", ["a", "b"], 1)', ["a-1", "b-1"]],
    ['indent(2, "a\\nb")', "a\n  b"],
    ['join("-", ["a", "b"], ["c"])', "a-b-c"],
    ['lower("ÄB")', "äb"],
    ['upper("äb")', "ÄB"],
    ['title("hello big-world o\'clock")', "Hello Big-World O'clock"],
    ['regex_replace("a12b", "([0-9])([0-9])", "$2$1")', "a21b"],
    ['regex_replace("AbB", "(?i)b", "<$0>")', "A<b><B>"],
    ['regex_replace("ada", "(?P<first>a)", "$first!")', "a!da!"],
    ['regex_replace("aa", "(?U)a+", "x")', "xx"],
    ['regex_replace("baac", "a*", "-")', "-b-c-"],
    ['regex_replace("a1b", "[[:digit:]]", "$1$$$0$")', "a$1$b"],
    ['regex_replace("a.b", "\\\\Qa.b\\\\E", "👍")', "👍"],
    ['replace("a.b.c", ".", "-")', "a-b-c"],
    ['reverse("añ")', "ña"],
    ['strrev("ab")', "ba"],
    ['split(",", "a,b,")', ["a", "b", ""]],
    ['strlen("añ👍🏽")', 3],
    ['substr("hello", 1, 3)', "ell"],
    ['substr("hello", -2, -1)', "lo"],
    ['trim("?!a!?", "!?")', "a"],
    ['trimprefix("web-1", "web-")', "1"],
    ['trimsuffix("a.hcl", ".hcl")', "a"],
    ['trimspace(" a\\n")', "a"],
  ])("%s", (source, expected) => {
    expect(value(source)).toEqual(expected);
  });
});

describe("the functions of lists and maps", () => {
  it.each([
    ["chunklist([1, 2, 3], 2)", [[1, 2], [3]]],
    ['coalesce(null, "", "a")', ""],
    ["coalescelist([], [1])", [1]],
    ['compact(["a", "", null, "b"])', ["a", "b"]],
    ["concat([1], [2, [3]])", [1, 2, [3]]],
    ["contains([1, 2], 2)", true],
    ['contains([1, 2], "2")', false],
    ["distinct([1, 2, 1])", [1, 2]],
    ["element([1, 2, 3], 4)", 2],
    ["flatten([1, [2, [3, []]]])", [1, 2, 3]],
    ['index(["a", "b"], 1)', "b"],
    ["keys({ b = 1, a = 2 })", ["a", "b"]],
    ["values({ b = 1, a = 2 })", [2, 1]],
    ["length([1, 2])", 2],
    ["length({ a = 1 })", 1],
    ['lookup({ a = 1 }, "b", 9)', 9],
    ["merge({ a = 1 }, null, { b = 2 })", { a: 1, b: 2 }],
    ["range(3)", [0, 1, 2]],
    ["range(1, 4)", [1, 2, 3]],
    ["range(4, 1)", [4, 3, 2]],
    ["range(0, 1, 0.25)", [0, 0.25, 0.5, 0.75]],
    ["setintersection([1, 2, 3], [2, 3], [3, 2])", [2, 3]],
    ["setunion([2], [1, 2])", [1, 2]],
    [
      'setproduct(["a", "b"], [1, 2])',
      [
        ["a", 1],
        ["a", 2],
        ["b", 1],
        ["b", 2],
      ],
    ],
    ["slice([1, 2, 3], 1, 2)", [2]],
    ['sort(["b", "B", "a"])', ["B", "a", "b"]],
    ['zipmap(["a", "b"], [1, 2])', { a: 1, b: 2 }],
  ])("%s", (source, expected) => {
    expect(value(source)).toEqual(expected);
  });
});

describe("the functions of numbers, times and networks", () => {
  it.each([
    ["abs(-2)", 2],
    ["ceil(1.2)", 2],
    ["floor(-1.2)", -2],
    ["log(16, 2)", 4],
    ["max(1, 3, 2)", 3],
    ["min(1, 3, 2)", 1],
    ['parseint("ff", 16)', 255],
    ['parseint("-101", 2)', -5],
    ["pow(2, 10)", 1024],
    ["signum(-3)", -1],
    [
      'formatdate("EEEE, DD MMM YYYY hh:mm:ss ZZZ \'at\' HH AA", "2026-01-02T15:04:05Z")',
      "Friday, 02 Jan 2026 15:04:05 UTC at 03 PM",
    ],
    ['formatdate("YYYYMMDD", "2026-01-02T23:00:00-07:00")', "20260102"],
    ['timeadd("2026-01-31T23:30:00Z", "1h30m")', "2026-02-01T01:00:00Z"],
    ['timeadd("2026-01-01T00:00:00+02:00", "-1s")', "2025-12-31T23:59:59+02:00"],
    ['cidrhost("10.12.127.0/20", 16)', "10.12.112.16"],
    ['cidrhost("10.12.127.0/20", -1)', "10.12.127.255"],
    ['cidrhost("fd00:fd12:3456:7890:00a2::/72", 34)', "fd00:fd12:3456:7890::22"],
    ['cidrnetmask("172.16.0.0/12")', "255.240.0.0"],
    ['cidrsubnet("172.16.0.0/12", 4, 2)', "172.18.0.0/16"],
    ['cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)', "fd00:fd12:3456:7800:a200::/72"],
    [
      'cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)',
      ["10.1.0.0/20", "10.1.16.0/20", "10.1.32.0/24", "10.1.48.0/20"],
    ],
    ['cidrhost("::1/128", 0)', "::1"],
  ])("%s", (source, expected) => {
    expect(value(source)).toEqual(expected);
  });
});

describe("the functions of encodings and files", () => {
  it.each([
    ['base64decode("aMOp")', "hé"],
    ['base64encode("hé")', "aMOp"],
    [
      'csvdecode("a,b\\n1,\\"x, \\"\\"y\\"\\"\\"\\n2,\\n")',
      [
        { a: "1", b: 'x, "y"' },
        { a: "2", b: "" },
      ],
    ],
    ['jsonencode({ b = [1, null], a = "<x>" })', '{"a":"\\u003cx\\u003e","b":[1,null]}'],
    ['jsondecode("{\\"a\\": [1, true]}")', { a: [1, true] }],
    ['md5("")', "d41d8cd98f00b204e9800998ecf8427e"],
    ['sha1("a")', "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"],
    ['sha256("")', "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"],
    ['substr(sha512(""), 0, 12)', "cf83e1357eef"],
    ['urlencode("a b&c=é/~")', "a+b%26c%3D%C3%A9%2F~"],
    ['uuidv5("dns", "www.terraform.io")', "a5008fae-b28c-5ba5-96cd-82b4c53552d6"],
    ["uuidv4()", "00000000-0000-4000-8000-000000000001"],
    ['file("motd")', "hello\n"],
    ['filebase64("logo")', "//4="],
    ['fileexists("nothing")', false],
    ['fileset("conf", "*.conf")', ["a.conf", "b.conf"]],
    ['fileset("conf", "**/*.{conf,md}")', ["a.conf", "b.conf", "readme.md", "sub/c.conf"]],
    ['abspath("x")', "/job/x"],
    ['basename("/a/b/")', "b"],
    ['dirname("/a/b")', "/a"],
    ['dirname("a")', "."],
    ['pathexpand("~/x")', "/home/ada/x"],
  ])("%s", (source, expected) => {
    expect(value(source)).toEqual(expected);
  });
});

describe("a function refuses", () => {
  it.each([
    ['base64decode("a")', "base64decode: its text is not base64"],
    ['base64decode("-_-_")', "base64decode: its text is not base64"],
    ['base64decode("//4=")', "base64decode: the bytes in its text are not UTF-8"],
    ['jsondecode("{")', "jsondecode: its text is not JSON"],
    ['file("nothing")', "file: nothing cannot be read"],
    ['file("logo")', "file: logo is not UTF-8: use filebase64 to read it"],
    ['format("%d")', "format: its format wants more values than are given"],
    ['format("%d", "x")', "format: %d wants a number"],
    ['format("a", 1)', "format: its format leaves 1 of the values unused"],
    ['format("50%")', "format: its format has a % without its verb"],
    ["element([], 0)", "element: its list is empty"],
    ["slice([1], 0, 2)", "slice: 0 to 2 is not part of a list of 1 items"],
    ["range(5000)", "range: it would have more than 1024 numbers"],
    ["range(0, 1, -1)", "range: its step leads away from the end"],
    ['parseint("12", 2)', "parseint: its text is not a whole number in base 2"],
    ["log(-1, 10)", "log: it has no value for these numbers"],
    ['cidrhost("10.0.0.0/33", 1)', "cidrhost: its network must have a form like 10.0.0.0/8"],
    ['cidrhost("10.0.0.0/24", 256)', "cidrhost: 10.0.0.0/24 has no host 256"],
    ['cidrsubnets("10.0.0.0/24", 1, 1, 1)', "cidrsubnets: 10.0.0.0/24 does not have enough addresses"],
    ['formatdate("q", "2026-01-02T15:04:05Z")', 'formatdate: "q" in its format means nothing'],
    ['timeadd("today", "1h")', "timeadd: its time must have a form like 2026-01-31T12:00:00Z"],
    [
      'regex_replace("a", "(", "")',
      "regex_replace: its pattern is invalid: error parsing regexp: missing closing )",
    ],
    // Patterns that JavaScript has, and Go does not.
    ['regex_replace("a", "(?=a)", "")', "regex_replace: its pattern is invalid: error parsing regexp"],
    ['regex_replace("a", "(a)\\\\1", "")', "regex_replace: its pattern is invalid: error parsing regexp"],
    ['reverse(["a"])', "reverse: its 1st parameter must be a string: Nomad's reverse takes no list"],
    ["setproduct(range(1000), range(1000))", "setproduct: it would have 1000000 items"],
    ['indent(1000000, "a\\nb")', "indent: its number must be from 0 to 10000"],
    ['bcrypt("x")', "bcrypt: a local run does not compute it"],
    ['rsadecrypt("x", "y")', "rsadecrypt: a local run cannot decrypt"],
    ['yamldecode("a: 1")', "yamldecode: a local run cannot read YAML"],
    ['csvdecode("a,a\\n1,2\\n")', "csvdecode: two of its columns have the same name"],
    ['uuidv5("x", "y")', "uuidv5: its namespace must be dns, url, oid, x500 or a UUID"],
    ['length("abc")', "length: its 1st parameter must be a list or a map, but it is a string"],
  ])("%s", (source, message) => {
    expect(() => value(source)).toThrow(message);
  });

  it("to read a file if the job file has no folder", () => {
    expect(() => hclEvaluator().constant('file("x")', () => undefined)).toThrow(
      "functions cannot read the host's files here",
    );
  });
});

describe("any value", () => {
  const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<Value>;
  const scope = (data: Value) => (name: string) => (name === "x" ? { value: data, steps: 0 } : undefined);

  it("survives all encodings unchanged", () => {
    fc.assert(
      fc.property(json, (data) => {
        const back = hcl.constant("jsondecode(jsonencode(x))", scope(data));
        // Negative zero is zero in Go, too.
        expect(JSON.stringify(back)).toBe(JSON.stringify(JSON.parse(JSON.stringify(data, sortedKeys))));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (data) => {
        expect(hcl.constant("base64decode(base64encode(x))", scope(data))).toBe(data);
        expect(hcl.constant("strrev(strrev(x))", scope(data))).toBe(data);
        expect(hcl.constant('join("-", split("-", x))', scope(data))).toBe(data);
        expect(
          decodeURIComponent((hcl.constant("urlencode(x)", scope(data)) as string).replaceAll("+", "%20")),
        ).toBe(data);
      }),
    );
  });
});

function sortedKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(
    Object.entries(value).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
  );
}
