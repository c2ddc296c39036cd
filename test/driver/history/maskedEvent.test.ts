import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Secrets } from "../../../src/base/masking.ts";
import { maskedEvent, readOptions } from "../../../src/driver/history/maskedEvent.ts";
import { sampleData } from "../../support/history/history.ts";

const value = "hunter2-of-the-shop";
const secrets = new Secrets({ DB_PASSWORD: value }, true);
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is what stands for the value
const mask = "${DB_PASSWORD}";

describe("a request", () => {
  const requested = (options: object) =>
    maskedEvent("requested", { ...sampleData("requested"), options: options as never }, secrets).options;

  it("has the names of variables instead of their values, wherever the job has them", () => {
    const options = { args: ["--password", value], unveil: [`r:/srv/${value}`], env: { nested: value } };
    expect(requested(options)).toEqual({
      args: ["--password", mask],
      unveil: [`r:/srv/${mask}`],
      env: { nested: mask },
    });
  });

  it("keeps the options that the driver reads again, which the page on security lists", () => {
    const kept = Object.fromEntries([...readOptions].map((name) => [name, value]));
    expect(requested({ ...kept, args: [value] })).toEqual({ ...kept, args: [mask] });
    const page = readFileSync(join(import.meta.dirname, "../../../docs/security.md"), "utf8");
    const [, listed = ""] = /recorded as they stand: (.*)\.$/m.exec(page) ?? [];
    expect([...listed.matchAll(/`(\w+)`/g)].map(([, name]) => name)).toEqual([...readOptions].sort());
  });

  it("refers to the values in a stop command, which can be put back", () => {
    const options = requested({ stop_command: ["stop", `--key=${value}`] });
    const stored: string[] = Object(options).stop_command;
    expect(stored).toEqual(["stop", `--key=${mask}`]);
    expect(stored.map((word) => secrets.expand(word))).toEqual(["stop", `--key=${value}`]);
  });
});

describe("what the task itself chooses", () => {
  const denied = sampleData("denied");
  const refusals = [`/srv/${value}`, "192.0.2.1:443"].flatMap((object) =>
    denied.refusals.slice(0, 1).map((each) => ({ ...each, object, program: value })),
  );

  it("is masked in denials", () => {
    const shown = maskedEvent("denied", { ...denied, refusals }, secrets).refusals;
    expect(shown.map(({ object, program }) => [object, program])).toEqual([
      [`/srv/${mask}`, mask],
      ["192.0.2.1:443", mask],
    ]);
  });

  it("is left out of denials if nobody knows the values", () => {
    const shown = maskedEvent("denied", { ...denied, refusals }, Secrets.unknown).refusals;
    expect(shown.map(({ object, program }) => [object, program])).toEqual([
      [null, null],
      ["192.0.2.1:443", null],
    ]);
  });

  it("is masked in the cause and the changes of an end", () => {
    const exited = {
      ...sampleData("exited"),
      cause: {
        ...{ kind: "denied", grade: "witnessed", text: `it says ${value}`, line: value },
        advice: [{ option: "unveil", value: [`r:/${value}`] }],
      } as never,
      changes: [`args: ${value}`],
    };
    expect(maskedEvent("exited", exited, secrets)).toEqual({
      ...exited,
      cause: {
        ...Object(exited.cause),
        ...{ text: `it says ${mask}`, line: mask },
        advice: [{ option: "unveil", value: [`r:/${mask}`] }],
      },
      changes: [`args: ${mask}`],
    });
  });
});

describe("what a run has used", () => {
  const observed = {
    ...sampleData("observed"),
    ...{ paths: [`r:/srv/${value}`], moves: [`from:/srv/${value}`], lost: 1 },
    links: [{ path: `/srv/${value}`, leadsTo: "/srv/x" }],
  };
  const denied = {
    ...sampleData("wouldDeny"),
    refused: [`r:/srv/${value}`],
    unclear: [`it used /srv/${value}`],
  };

  it("has the names of variables instead of their values", () => {
    expect(maskedEvent("observed", observed, secrets)).toEqual({
      ...observed,
      ...{ paths: [`r:/srv/${mask}`], moves: [`from:/srv/${mask}`] },
      links: [{ path: `/srv/${mask}`, leadsTo: "/srv/x" }],
    });
    expect(maskedEvent("wouldDeny", denied, secrets)).toEqual({
      ...denied,
      ...{ refused: [`r:/srv/${mask}`], unclear: [`it used /srv/${mask}`] },
    });
  });

  it("is counted, and not named, where nobody knows the values any more", () => {
    const { moves: _, ...others } = observed;
    const counted = { ...others, paths: [], links: [], lost: 2 };
    expect(maskedEvent("observed", observed, Secrets.unknown)).toEqual(counted);
    expect(maskedEvent("wouldDeny", denied, Secrets.unknown)).toEqual({
      ...denied,
      ...{ refused: [], others: 1, unclear: ["…"] },
    });
  });
});
