import { describe, expect, it } from "vitest";
import { parseSignal, signalName } from "../../src/base/signalNames.ts";

describe("a signal's name", () => {
  it.each([
    ["SIGHUP", 1],
    ["HUP", 1],
    ["hup", 1],
    [" sigterm ", 15],
    ["1", 1],
    ["64", 64],
    ["SIGWINCH", 28],
    ["TSTP", 20],
    ["CHLD", 17],
    ["PWR", 30],
    ["SIGRTMIN", 34],
    ["SIGRTMIN+0", 34],
    ["rtmin+30", 64],
    ["SIGRTMAX", 64],
    ["SIGRTMAX-14", 50],
  ])("%s is %i", (name, number) => {
    expect(parseSignal(name)).toBe(number);
  });

  it("is known for every standard signal and every real-time one", () => {
    for (let number = 1; number <= 64; number++) {
      const name = signalName(number);
      if (number === 32 || number === 33) expect(name).toBe(`signal ${number}`);
      else expect(parseSignal(name)).toBe(number);
    }
  });

  it.each([
    "",
    "0",
    "65",
    "-1",
    "1.5",
    "SIGFOO",
    "SIG",
    "SIGRTMIN+31",
    "SIGRTMAX-31",
    "9x",
    "SIGSIGHUP",
    "constructor",
  ])("is not %j", (name) => {
    expect(() => parseSignal(name)).toThrow(
      expect.objectContaining({
        code: "SIGNAL_UNKNOWN",
        message: expect.stringMatching(/Use a name such as TERM/),
      }),
    );
  });

  it("is the usual one if a signal has two names", () => {
    expect([6, 29].map(signalName)).toEqual(["SIGABRT", "SIGIO"]);
  });
});
