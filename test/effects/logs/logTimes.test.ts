/** The times of a log file say of each byte when it was written, and take less than a hundredth of its room. */
import { chownSync, linkSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LogFiles, LogSpan } from "../../../src/effects/logs/logFiles.ts";
import { LogStream } from "../../../src/effects/logs/logStream.ts";
import { LogTimes, timesName } from "../../../src/effects/logs/logTimes.ts";
import { type LineChoice, TimedLines } from "../../../src/effects/logs/timedLines.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { type Move, notedTimes } from "../../support/logs/notedTimes.ts";

const KiB = 1024;
const begin = 1_700_000_000_000;

/** The time after each pause. */
function after(pauses: readonly { readonly pause: number }[]): number[] {
  let at = begin;
  return pauses.map(({ pause }) => {
    at += pause;
    return at;
  });
}

/** Moves of output with pauses between them, some of which are longer than a second. */
const movesOf = (maxBytes: number) =>
  fc
    .array(fc.record({ pause: fc.nat(3_000), bytes: fc.integer({ min: 1, max: maxBytes }) }), {
      minLength: 1,
      maxLength: 60,
    })
    .map((all) => {
      const times = after(all);
      return all.map(({ bytes }, n): Move => ({ at: times[n] ?? begin, bytes }));
    });

describe("times of a log file", () => {
  it("hold for each byte, and to a second for the newest output", () => {
    fc.assert(
      fc.property(movesOf(3 * KiB), fc.constantFrom(8 * KiB, 64 * KiB, 1024 * KiB), (moves, maxFileBytes) => {
        const times = LogTimes.parse(notedTimes(moves, maxFileBytes));
        const last = (moves.at(-1) as Move).at;
        let offset = 0;
        for (const { at, bytes } of moves) {
          for (const byte of [offset, offset + bytes - 1]) {
            const { from, until } = times.at(byte) ?? { from: 1, until: 0 };
            expect(from).toBeLessThanOrEqual(at);
            expect(until).toBeGreaterThanOrEqual(at);
            // The ring of a file of 1 MiB has room for all of these.
            if (maxFileBytes === 1024 * KiB || at === last) expect(until - from).toBeLessThanOrEqual(1_000);
          }
          offset += bytes;
        }
      }),
    );
  });

  it("take 0.8 % of a full file, and no more of one that is written faster or slower", () => {
    for (const [bytes, pause] of [
      [80, 60_000],
      [4 * KiB, 1_000],
      [64 * KiB, 10],
    ] as const) {
      const moves = Array.from({ length: Math.floor((1024 * KiB) / bytes) }, (_, n) => ({
        at: begin + n * pause,
        bytes,
      }));
      expect(notedTimes(moves, 1024 * KiB).length).toBeLessThanOrEqual(0.008 * 1024 * KiB);
    }
  });

  it("go on when the clock was set back, and begin with output that has none", () => {
    const moves = [
      { at: begin, bytes: 10 },
      { at: begin - 3_600_000, bytes: 10 },
      { at: begin - 3_500_000, bytes: 10 },
    ];
    const times = LogTimes.parse(notedTimes(moves, 64 * KiB, 100));
    expect([50, 100, 110, 120].map((byte) => times.at(byte)?.from)).toEqual([
      0,
      ...moves.map(({ at }) => at),
    ]);
    expect(times.at(50)?.until).toBe(begin);
  });

  it("are none in what is no such file", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(1_000), (content, offset) => {
        const { from, until } = LogTimes.parse(content).at(offset) ?? { from: 0, until: 0 };
        expect(from).toBeLessThanOrEqual(until);
      }),
    );
    expect(LogTimes.parse(Buffer.alloc(0)).exist).toBe(false);
    const damaged = notedTimes([{ at: begin, bytes: 1 }], 64 * KiB);
    damaged.writeBigInt64LE(-1n, 0);
    expect(LogTimes.parse(damaged).exist).toBe(false);
  });
});

describe("a file of times", () => {
  it("is read only if root alone can have made it, and not where it is a link", () => {
    const folder = temporaryFolder();
    const [own, path] = [join(folder, "own"), join(folder, timesName("web.stdout.0"))];
    const exist = () => {
      const files = new LogFiles({ allocDir: folder, pipe: join(folder, ".web.stdout.fifo") });
      try {
        return files.times(0).exist;
      } finally {
        files.close();
      }
    };
    writeFileSync(own, notedTimes([{ at: begin, bytes: 1 }], 64 * KiB));
    expect(exist()).toBe(false);
    symlinkSync(own, path);
    expect(exist()).toBe(false);
    rmSync(path);
    linkSync(own, path);
    expect(exist()).toBe(false);
    rmSync(own);
    expect(exist()).toBe(true);
    chownSync(path, 65_534, 65_534);
    expect(exist()).toBe(false);
  });
});

/** Lines of one file, each with the time at which it was moved. */
const linesOf = fc.array(fc.record({ pause: fc.nat(2_500), text: fc.stringMatching(/^[ab]{0,900}$/) }), {
  minLength: 1,
  maxLength: 40,
});

function chosen(folder: string, choice: LineChoice): string[] {
  const stream = new LogStream({ allocDir: folder, pipe: join(folder, ".web.stdout.fifo") }, LogSpan.whole);
  try {
    const lines = new TimedLines(stream, choice);
    const found: string[] = [];
    for (let read = lines.read(); read !== undefined; read = lines.read())
      found.push(...read.map(({ bytes }) => bytes.toString()));
    return [...found, ...lines.end().map(({ bytes }) => bytes.toString())];
  } finally {
    stream.close();
  }
}

describe("lines since and until a time", () => {
  it("are all that were written then, over rotations, and at most those of a second more", () => {
    fc.assert(
      fc.property(
        linesOf,
        fc.nat(60_000),
        fc.nat(60_000),
        fc.integer({ min: 1, max: 8 }),
        (all, a, b, perFile) => {
          const folder = temporaryFolder();
          const times = after(all);
          const written = all.map(({ text }, n) => ({ at: times[n] ?? begin, line: `${n} ${text}\n` }));
          for (let file = 0; file * perFile < written.length; file += 1) {
            const inFile = written.slice(file * perFile, (file + 1) * perFile);
            writeFileSync(join(folder, `web.stdout.${file}`), inFile.map(({ line }) => line).join(""));
            const moves = inFile.map((each) => ({ at: each.at, bytes: each.line.length }));
            const changed = (inFile.at(-1)?.at ?? begin) / 1_000;
            utimesSync(join(folder, `web.stdout.${file}`), changed, changed);
            writeFileSync(join(folder, timesName(`web.stdout.${file}`)), notedTimes(moves, 1024 * KiB));
          }
          const [since, until] = [begin + Math.min(a, b), begin + Math.max(a, b)];
          const found = new Set(chosen(folder, { since, until }));
          for (const each of written) {
            if (each.at >= since && each.at <= until) expect(found).toContain(each.line);
            if (each.at < since - 1_000 || each.at > until + 1_000) expect(found).not.toContain(each.line);
          }
          expect(chosen(folder, { since: begin })).toEqual(written.map(({ line }) => line));
        },
      ),
      { numRuns: 60 },
    );
  });

  it("without times are not left out, and a pattern chooses among all", () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "web.stdout.0"), "one\nTwo\nthree");
    expect(chosen(folder, { since: begin - 1e12, matching: /t/i })).toEqual(["Two\n", "three"]);
    expect(chosen(folder, { matching: /^one$/ })).toEqual(["one\n"]);
  });
});
