/** The list of commands in README.md works in its order, in a host without histories. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../support/host/temporaryFolder.ts";
import { compileCache, programEntry } from "../support/plugin/pluginEntry.ts";

const root = join(import.meta.dirname, "../..");
const [, list = ""] =
  /^npm run build\nPATH=[^\n]*\n(.*?)^```$/ms.exec(readFileSync(join(root, "README.md"), "utf8")) ?? [];

/** Runs each line as a person types it, and prints its exit code. A task in the background is waited for. */
const typed = `mount -t tmpfs none /var/lib
while IFS= read -r line; do
  case $line in
    *" & "*)
      eval "$line"
      for _ in $(seq 300); do
        if [ -n "$(nomad-driver-exec2 ps -q)" ]; then break; fi
        sleep 0.1
      done ;;
    *inspect*) eval "timeout 3 $line" < /dev/null > /dev/null; echo "ended $? $line" ;;
    *) eval "$line" < /dev/null > /dev/null; echo "ended $? $line" ;;
  esac
done
wait`;

/** Until it is interrupted. */
const serves = (line: string) => line.includes(" inspect ");

it("the list works line by line", () => {
  const programs = temporaryFolder();
  const program = `#!/bin/sh\nexec ${process.execPath} ${programEntry} "$@"\n`;
  writeFileSync(join(programs, "nomad-driver-exec2"), program, { mode: 0o755 });
  const env = { PATH: `${programs}:${process.env.PATH}`, NODE_COMPILE_CACHE: compileCache };
  const options = { cwd: root, input: list, env, encoding: "utf8" } as const;
  const { stdout, stderr } = spawnSync("unshare", ["--mount", "bash", "--norc", "-c", typed], options);
  const ended = stdout.split("\n").filter((line) => line.startsWith("ended "));
  const lines = list.trimEnd().split("\n");
  expect(lines.length).toBeGreaterThan(12);
  const expected = lines
    .filter((line) => !line.includes(" & "))
    .map((line) => `ended ${serves(line) ? 124 : 0} ${line}`);
  const differing = ended.filter((line) => !expected.includes(line));
  expect(ended, `${differing.join("; ")}\n${stdout}\n${stderr}`).toEqual(expected);
}, 180_000);
