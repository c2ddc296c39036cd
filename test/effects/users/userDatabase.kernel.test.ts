import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";

const source = join(import.meta.dirname, "../../../src/effects/users/users.ts");

it("a change of the host's users is seen at once, and so is the removal of the file", () => {
  const own = join(temporaryFolder(), "etc");
  const program = `
    import { appendFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
    import { resolveUser } from ${JSON.stringify(source)};
    const rules = { allowRoot: false, dynamicUserIds: "", deniedHostUids: "", deniedHostGids: "" };
    const uidOf = (name) => resolveUser(name, rules).then(({ uid }) => uid, ({ code }) => code);
    const seen = [await uidOf("late")];
    appendFileSync("/etc/passwd", "late:x:4711:4711::/:/bin/sh\\n");
    seen.push(await uidOf("late"));
    writeFileSync("/etc/passwd.new", "only:x:4712:1::/:/bin/sh\\n");
    renameSync("/etc/passwd.new", "/etc/passwd");
    seen.push(await uidOf("only"), await uidOf("late"));
    rmSync("/etc/passwd");
    seen.push(await uidOf("only"));
    console.log(JSON.stringify(seen));`;
  const script = [
    `mkdir ${own}`,
    `cp /etc/passwd ${own}`,
    `mount --bind ${own} /etc`,
    `exec ${process.execPath} --input-type=module -e "$PROGRAM"`,
  ].join(" && ");
  const output = execFileSync("unshare", ["-m", "sh", "-c", script], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, PROGRAM: program },
  });
  expect(JSON.parse(output)).toEqual(["USER_UNKNOWN", 4711, 4712, "USER_UNKNOWN", "USER_UNKNOWN"]);
});
