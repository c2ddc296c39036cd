import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BegunCommand, CommandTally } from "../../../src/driver/exec/commandTally.ts";
import { type CommandEnd, commandsIn } from "../../../src/machines/events/running.ts";

const check: BegunCommand = { command: "/bin/check", user: "nomad-80001", terminal: false };
const good: CommandEnd = { exitCode: 0, signal: 0, reason: "ended" };
const bad: CommandEnd = { exitCode: 1, signal: 0, reason: "ended" };
const second = 1_000;
const hour = 3_600_000;
const begun = 1_700_000_000_000;

/**
 * Runs commands one after another. For each command, `run` returns "separate" if it has events of its own,
 * "counted" if it is only counted, or else the counts that are recorded at once.
 */
function setUp() {
  const tally = new CommandTally();
  let now = begun;
  return {
    tally,
    run(end: CommandEnd, { command = check, passed = second } = {}) {
      now += passed;
      if (!tally.isSeparate(command, now))
        return tally.count(command, end, now, now) ? tally.take() : "counted";
      tally.ended(command, end, now);
      return "separate";
    },
  };
}

describe("a command that is run again and again", () => {
  it("has events of its own at first, and is counted later", () => {
    const { run, tally } = setUp();
    const outcomes = Array.from({ length: 1_000 }, () => run(good));
    expect(outcomes.slice(0, 3)).toEqual(["separate", "separate", "separate"]);
    expect(new Set(outcomes.slice(3))).toEqual(new Set(["counted"]));
    const { command, user } = check;
    expect(tally.take()).toEqual({
      since: begun + 4 * second,
      repetitions: [{ command, user, ...good, count: 997 }],
      more: 0,
    });
    expect(tally.take()).toBeUndefined();
  });

  it("is recorded at once when it ends in another way, with the commands counted before", () => {
    const { run } = setUp();
    for (let times = 0; times < 10; times++) run(good);
    expect(run(bad)).toMatchObject({
      repetitions: [
        { ...good, count: 7 },
        { ...bad, count: 1 },
      ],
    });
    expect([run(bad), run(bad), run(bad)]).toEqual(["separate", "separate", "counted"]);
    expect(run(good)).toMatchObject({ repetitions: [{ count: 1 }, { count: 1 }] });
  });

  it("counts as a new command after an hour", () => {
    const { run } = setUp();
    for (let times = 0; times < 4; times++) run(good);
    expect(run(good, { passed: hour })).toBe("separate");
  });

  it("with a terminal always has events of its own", () => {
    const { run } = setUp();
    const outcomes = Array.from({ length: 100 }, () => run(good, { command: { ...check, terminal: true } }));
    expect(new Set(outcomes)).toEqual(new Set(["separate"]));
  });

  it("does not hide another program", () => {
    const { run } = setUp();
    for (let times = 0; times < 100; times++) run(good);
    expect(run(good, { command: { ...check, command: "/bin/sh" } })).toBe("separate");
  });
});

describe("a task", () => {
  const days = 24 * 3_600;
  it.each<[string, (turn: number) => [CommandEnd, string]]>([
    ["whose check ends in another way each time", (turn) => [turn % 2 ? good : bad, "/bin/check"]],
    ["with a new exit code each time", (turn) => [{ ...good, exitCode: turn % 256 }, "/bin/check"]],
    ["with a new program each time", (turn) => [good, `/tmp/${turn}/check`]],
  ])("%s cannot fill the log", (_what, lifeOf) => {
    const { run, tally } = setUp();
    let events = 0;
    for (let turn = 0; turn < days; turn++) {
      const [end, command] = lifeOf(turn);
      const outcome = run(end, { command: { ...check, command } });
      events += outcome === "separate" ? 2 : outcome === "counted" ? 0 : 1;
      if (typeof outcome === "object") expect(outcome.repetitions.length).toBeLessThanOrEqual(32);
    }
    // At most 32 at once, and then one every five minutes.
    expect(events).toBeLessThanOrEqual(2 * (32 + 24 * 12));
    expect(tally.take()?.repetitions.length).toBeLessThanOrEqual(32);
  });

  it("counts every command exactly once", () => {
    const commands = fc.record({
      name: fc.integer({ min: 0, max: 60 }),
      exitCode: fc.integer({ min: 0, max: 3 }),
      terminal: fc.boolean(),
      passed: fc.integer({ min: 0, max: 2 * hour }),
    });
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 300 }), (all) => {
        const { run, tally } = setUp();
        let recorded = 0;
        for (const { name, exitCode, terminal, passed } of all) {
          const command = { ...check, command: `/bin/${name}`, terminal };
          const how = run({ ...good, exitCode }, { command, passed });
          if (how === "separate") recorded++;
          else if (typeof how === "object") recorded += commandsIn(how);
        }
        const rest = tally.take();
        expect(recorded + (rest ? commandsIn(rest) : 0)).toBe(all.length);
      }),
    );
  });
});
