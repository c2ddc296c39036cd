import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { styleFor, styleOf, type TextStream } from "../../../src/cli/terminal/style.ts";

const terminal = { isTTY: true } as TextStream;
const file = { isTTY: false } as TextStream;
const isColoured = (stream: TextStream) => styleFor(stream).red("a") !== "a";

describe("colours", () => {
  beforeEach(() => {
    for (const name of ["NO_COLOR", "NODE_DISABLE_COLORS", "FORCE_COLOR"]) vi.stubEnv(name, undefined);
    vi.stubEnv("TERM", "xterm");
  });
  afterEach(() => vi.unstubAllEnvs());

  it("are for terminals", () => {
    expect(isColoured(terminal)).toBe(true);
    expect(isColoured(file)).toBe(false);
    vi.stubEnv("TERM", "dumb");
    expect(isColoured(terminal)).toBe(false);
  });

  it.each([
    ["NO_COLOR", "1", terminal, false],
    ["NO_COLOR", "", terminal, true],
    ["FORCE_COLOR", "1", file, true],
    ["FORCE_COLOR", "0", terminal, false],
    ["FORCE_COLOR", "", file, false],
  ])("%s=%j is considered", (name, value, stream, coloured) => {
    vi.stubEnv(name, value);
    expect(isColoured(stream)).toBe(coloured);
  });

  it("are never used with NO_COLOR", () => {
    vi.stubEnv("NO_COLOR", "1");
    vi.stubEnv("FORCE_COLOR", "1");
    expect(isColoured(terminal)).toBe(false);
  });
});

describe("styles of text", () => {
  it("continue after nested colours", () => {
    const { red, green, bold, dim } = styleOf(true);
    expect(red(`a${green("b")}c`)).toBe("\x1b[31ma\x1b[32mb\x1b[31mc\x1b[39m");
    expect(bold(`a${dim("b")}c`)).toBe("\x1b[1ma\x1b[2mb\x1b[22m\x1b[1mc\x1b[22m");
  });

  it("add no escape sequences without colours", () => {
    expect(styleOf(false).red("a")).toBe("a");
  });
});
