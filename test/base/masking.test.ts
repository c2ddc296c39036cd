import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DriverError } from "../../src/base/errors.ts";
import { mayBeSecret, Secrets } from "../../src/base/masking.ts";
import { visible } from "../../src/units/visible.ts";
import { holds } from "../support/host/secretSearch.ts";

/** What stands for a value. */
const ref = (name: string) => `\${${name}}`;
const of = (env: Readonly<Record<string, string>>) => new Secrets(env, true);
const secret = 'kV3/value "of" a+secret=9xQ';

describe("a value of the environment", () => {
  it("is replaced by the name of its variable, whatever is around it", () => {
    const secrets = of({ DB_PASSWORD: "hunter22", OTHER: "hunter2233" });
    expect(secrets.mask("cannot open /nosuch/hunter22: No such file")).toBe(
      `cannot open /nosuch/${ref("DB_PASSWORD")}: No such file`,
    );
    expect(secrets.mask("xhunter2233hunter22y")).toBe(`x${ref("OTHER")}${ref("DB_PASSWORD")}y`);
    expect(secrets.mask("hunter")).toBe(`${ref("DB_PASSWORD")}`);
    expect(secrets.mask("nothing of it")).toBe("nothing of it");
  });

  it("is found in each form in which programs write it", () => {
    const secrets = of({ PASSWORD: secret });
    for (const text of ["", "a", "ab"].map((before) => `${before}${secret}.`)) {
      const bytes = Buffer.from(text);
      const forms = [
        text,
        JSON.stringify({ text }),
        encodeURIComponent(text),
        new URLSearchParams({ text }).toString(),
        ...(["hex", "base64", "base64url"] as const).map((encoding) => bytes.toString(encoding)),
        bytes.toString("hex").toUpperCase(),
      ];
      for (const form of forms) {
        expect(holds(form, secret) || form.includes("text="), form).toBe(true);
        const masked = secrets.mask(form);
        expect(masked, form).toContain(`${ref("PASSWORD")}`);
        expect(holds(masked, secret), masked).toBe(false);
      }
    }
  });

  it("is found if the text was cut in it", () => {
    const secrets = of({ TOKEN: "0123456789abcdef" });
    expect(secrets.mask("/a/0123456")).toBe(`/a/${ref("TOKEN")}`);
    expect(secrets.mask("9abcdef/b")).toBe(`${ref("TOKEN")}/b`);
    expect(secrets.mask("/a/0123456/b")).toBe("/a/0123456/b");
  });

  it("is found by its parts: its lines, and the password of an address or a setting", () => {
    const secrets = of({
      KEY: "-----BEGIN-----\nMIIEvQIBADANBg\n-----END-----",
      URL: "postgres://app:pa55word@db.internal/app",
      DSN: "host=db user=app password=s3cr3t-pw sslmode=off",
    });
    expect(secrets.mask("bad line MIIEvQIBADANBg")).toBe(`bad line ${ref("KEY")}`);
    expect(secrets.mask("password pa55word refused")).toBe(`password ${ref("URL")} refused`);
    expect(secrets.mask("login with s3cr3t-pw failed")).toBe(`login with ${ref("DSN")} failed`);
  });

  it("stays if it is short, an ordinary path, or of a variable that has no secrets", () => {
    const env = {
      ...{
        LEVEL: "debug",
        DATA: "/srv/app-1/data",
        PATH: "/opt/Some/Path:/bin",
        NOMAD_JOB_NAME: "billing-api",
      },
      ...{ LC_ALL: "en_GB.UTF-8", HOME: "/home/Someone" },
    };
    const text = Object.values(env).join(" ");
    expect(of(env).mask(text)).toBe(text);
    expect(["NOMAD_TOKEN", "NOMAD_META_key", "VAULT_TOKEN"].every(mayBeSecret)).toBe(true);
  });
});

it("no text that is made of a secret and others has the secret afterwards", () => {
  const value = fc
    .string({ unit: "grapheme", minLength: 6, maxLength: 60 })
    .filter((text) => text.trim().length >= 6);
  const property = fc.property(value, fc.array(fc.string(), { maxLength: 4 }), (each, others) => {
    const secrets = of({ "": each.startsWith("/") ? `!${each}` : each });
    const secretOf = each.startsWith("/") ? `!${each}` : each;
    // A name without characters leaves only `${}`, which no longer text can be hidden in.
    fc.pre(!`${ref("")}`.includes(secretOf));
    const text = others.join(secretOf);
    const forms = [text, encodeURIComponent(text.toWellFormed()), JSON.stringify(text)];
    for (const form of forms) {
      const masked = secrets.mask(form);
      expect(others.length < 2 || masked.includes(`${ref("")}`)).toBe(true);
    }
  });
  fc.assert(property);
});

it("many secrets are found as few are", () => {
  const env = Object.fromEntries(
    Array.from({ length: 2_000 }, (_, index) => [`V${index}`, `value-${index}-of-many`]),
  );
  expect(of(env).mask("a value-1999-of-many and dmFsdWUtMTk5OS1vZi1tYW55")).toBe(
    `a ${ref("V1999")} and ${ref("V1999")}`,
  );
});

it("each form of one secret among many is found as alone", () => {
  const others = Array.from({ length: 100 }, (_, index) => [`W${index}`, `another value ${index}`]);
  const value = fc.string({
    unit: fc.constantFrom("a", "/", "%", '"', "\n", "\u0007", "é", "€", "😀", "\ud83d"),
    minLength: 6,
    maxLength: 30,
  });
  const property = fc.property(value, fc.constantFrom("", "b", "bc"), (secret, before) => {
    const few = { V: secret };
    const text = `${before}${secret}`;
    const bytes = Buffer.from(text);
    const forms = [
      ...[text, visible(text), JSON.stringify(text), encodeURIComponent(text.toWellFormed())],
      ...[encodeURIComponent(text.toWellFormed()).toLowerCase(), bytes.toString("hex").toUpperCase()],
      ...(["hex", "base64", "base64url"] as const).map((encoding) => bytes.toString(encoding)),
    ];
    for (const form of forms)
      expect(of({ ...Object.fromEntries(others), ...few }).mask(form), form).toBe(of(few).mask(form));
  });
  fc.assert(property);
});

it("parts of many secrets at the ends of a text are found as those of few are", () => {
  const piece = fc.stringMatching(/^[ab]{6,9}$/);
  const values = fc.uniqueArray(piece, { minLength: 1, maxLength: 20 });
  const property = fc.property(values, fc.stringMatching(/^[ab/]{0,30}$/), (all, text) => {
    const few = Object.fromEntries(all.map((value, index) => [`V${index}`, value]));
    const others = Array.from({ length: 100 }, (_, index) => [`W${index}`, `another value ${index}`]);
    expect(of({ ...few, ...Object.fromEntries(others) }).mask(text)).toBe(of(few).mask(text));
  });
  fc.assert(property);
});

it("texts that would take too long are not shown, and other texts are", () => {
  const alike = Array.from({ length: 1_000 }, (_, index) => [`V${index}`, `${"a".repeat(index + 6)}!`]);
  const secrets = of(Object.fromEntries(alike));
  const long = "a".repeat(100_000);
  expect(secrets.mask(long)).toMatch(/^\(not shown: /);
  expect(secrets.maskAll(["before", long, "after", `b${"a".repeat(10)}!`])).toEqual([
    "before",
    expect.stringMatching(/^\(not shown: /),
    "after",
    expect.stringMatching(/^\(not shown: /),
  ]);
  expect(secrets.mask(`b${"a".repeat(10)}! b`)).toBe(`b${ref("V4")} b`);
});

it("values that are only referred to come back", () => {
  const secrets = of({ TOKEN: "abcdef-012345" });
  const referred = secrets.reference("curl -H 'T: abcdef-012345'");
  expect(referred).toBe(`curl -H 'T: ${ref("TOKEN")}'`);
  expect(secrets.expand(referred)).toBe("curl -H 'T: abcdef-012345'");
  expect(secrets.expand(`${ref("OTHER")} ${ref("PATH")}`)).toBe(`${ref("OTHER")} ${ref("PATH")}`);
});

it("an error loses secrets in all of its texts, and nothing else", () => {
  const secrets = of({ TOKEN: "abcdef-012345" });
  const error = new DriverError("COMMAND_NOT_FOUND", "no command abcdef-012345", {
    failed: { call: "execve", path: "/bin/abcdef-012345", errno: "ENOENT" },
    hint: "Install abcdef-012345",
    option: "command",
  });
  expect(secrets.maskError(error)).toMatchObject({
    code: "COMMAND_NOT_FOUND",
    message: `no command ${ref("TOKEN")} (execve /bin/${ref("TOKEN")}: ENOENT). Install ${ref("TOKEN")}`,
    option: "command",
  });
  const other = new DriverError("UNSUPPORTED", "nothing of it");
  expect(secrets.maskError(other)).toBe(other);
});
