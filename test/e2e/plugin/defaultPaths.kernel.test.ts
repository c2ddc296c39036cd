import { beforeAll, expect, test } from "vitest";
import { type Agent, startAgent, startTask, waitTask } from "../../support/agent/agent.ts";
import { makeAllocation } from "../../support/agent/allocation.ts";
import { requireTools } from "../../support/host/requireTools.ts";

let agent: Agent;
beforeAll(async () => {
  agent = await startAgent();
});

/** Programs that need more files than their own: shared objects, modules, certificates, data. */
test.for<[string, string[], RegExp]>([
  ["perl", ["-MPOSIX", "-MSocket", "-e", "print POSIX::floor(2.5)"], /^2$/],
  [
    "/usr/bin/python3",
    [
      "-c",
      "import ssl, sqlite3, json, zlib; print(ssl.create_default_context().cert_store_stats()['x509_ca'] > 0)",
    ],
    /^True$/m,
  ],
  ["/usr/bin/python3", ["-c", "import tempfile; print(tempfile.mkstemp()[1])"], /\/main\/tmp\/tmp/],
  [
    "/usr/bin/python3",
    ["-c", "import subprocess; print(subprocess.run(['id', '-u'], capture_output=True, text=True).stdout)"],
    /^\d+$/m,
  ],
  ["openssl", ["version"], /^OpenSSL/],
  ["curl", ["--version"], /^curl /],
  ["bash", ["-c", 'read -r line < <(echo 2); cat <<< "$line"'], /^2$/m],
  ["sh", ["-c", "TZ=Europe/Vienna date -d @0 +%H:%M"], /^01:00$/m],
  ["getent", ["hosts", "localhost"], /localhost/],
  ["mktemp", [], /\/main\/tmp\/tmp\./],
  ["tar", ["--version"], /tar/],
  ["awk", ["BEGIN { print 6 * 7 }"], /^42$/m],
])("%s works under the default paths: %j", async ([command, args, expected], context) => {
  requireTools(context, command);
  const allocation = makeAllocation();
  const config = allocation.config({ command, args });
  await startTask(agent, config);
  const { exitCode } = await waitTask(agent, config);
  expect(await allocation.stderr.text()).toBe("");
  expect(exitCode).toBe(0);
  expect(await allocation.stdout.text()).toMatch(expected);
});
