/** Ordinary programs work under the default filter exactly as without it. */
import { chmodSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { haproxyConfig } from "../../support/agent/programs.ts";
import { reachableNode } from "../../support/host/reachableNode.ts";
import { requireTools, tryTools } from "../../support/host/requireTools.ts";
import { temporaryFolder } from "../../support/host/temporaryFolder.ts";
import { filterOf, TestRun } from "../../support/launch/launchRun.ts";

interface Program {
  /** Programs that the script needs. CI installs them: without one, the test fails there. */
  readonly needs: readonly string[];
  /** Further programs that the script needs. Without one, the test is skipped, even in CI. */
  readonly wants?: readonly string[];
  /** The script, which runs in a writable folder. */
  readonly script: string;
}

const node = reachableNode();

/** Requests a page from an HTTP server that starts on a unix socket, and prints whether it answers. */
const get = (socket: string) => `perl -MSocket -e '
  for (1 .. 400) {
    socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die;
    if (!connect($s, pack_sockaddr_un("${socket}"))) { select(undef, undef, undef, 0.05); next }
    syswrite($s, "GET / HTTP/1.0\r\n\r\n");
    local $/;
    print <$s> =~ /served/ ? "served\n" : "nothing\n";
    exit;
  }
  exit 1'`;

const programs: Readonly<Record<string, Program>> = {
  "a shell, its pipes and its jobs": {
    needs: [],
    script: `
      seq 100 | sort -rn | head -1
      sleep 0.01 & wait $! && mkdir a && cp /bin/true a/ && a/true && mv a b && rm -r b
      timeout 5 true && nice true && env -i true && date > /dev/null && find / -maxdepth 1 > /dev/null && echo done`,
  },
  "archives and compression": {
    needs: ["tar", "gzip"],
    script: "mkdir a && date > a/b && tar -czf a.tgz a && rm -r a && tar -xzf a.tgz && test -s a/b",
  },
  "perl: processes, sockets, signals": {
    needs: ["perl"],
    script: `perl -MSocket -e '
      socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die;
      local $SIG{USR1} = sub { print "signal\\n" };
      if (fork() == 0) { kill "USR1", getppid(); syswrite($b, "child\\n"); exit }
      wait; kill "USR1", $$; print scalar <$a>'`,
  },
  "a compiler and its program": {
    needs: ["gcc"],
    script: `
      cat > a.c <<'END'
      #include <pthread.h>
      #include <stdio.h>
      static void *run(void *text) { return puts(text), NULL; }
      int main(void) { pthread_t t; return pthread_create(&t, 0, run, "thread") || pthread_join(t, 0); }
END
      gcc -pthread -o a a.c && ./a`,
  },
  "Node: files, workers, children, a server and its client": {
    needs: [],
    script: `'${node}' -e '
      const { Worker } = require("node:worker_threads");
      const { execFileSync } = require("node:child_process");
      const fs = require("node:fs");
      fs.writeFileSync("a", "x"); fs.copyFileSync("a", "b"); fs.cpSync("a", "c"); fs.watch(".").close();
      console.log(execFileSync("echo", ["child"], { encoding: "utf8" }).trim());
      new Worker("require(\\"node:worker_threads\\").parentPort.postMessage(1)", { eval: true }).once("message", () => {
        const server = require("node:http").createServer((_, answer) => answer.end("served")).listen(0, async () => {
          console.log(await (await fetch("http://127.0.0.1:" + server.address().port)).text());
          server.close();
        });
      });'`,
  },
  "Python: threads, processes, a server": {
    needs: ["python3"],
    script: `
      cat > a.py <<'END'
import multiprocessing, threading, urllib.request, subprocess, tempfile, shutil, asyncio
from http.server import HTTPServer, SimpleHTTPRequestHandler
def square(n): return n * n
class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
if __name__ == "__main__":
    for method in ["fork", "spawn", "forkserver"]:
        with multiprocessing.get_context(method).Pool(2) as pool: print(pool.map(square, [1, 2, 3]))
    server = HTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/a.py").status)
    asyncio.run(asyncio.sleep(0.001))
    with tempfile.TemporaryDirectory() as folder: shutil.copytree("/etc/apt", folder + "/x", ignore_dangling_symlinks=True)
    print(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout.strip())
END
      python3 a.py`,
  },
  "Java: its threads and its compiler": {
    needs: ["javac", "java"],
    script: `
      cat > Hello.java <<'END'
public class Hello {
  public static void main(String[] args) throws Exception {
    var thread = new Thread(() -> System.out.println("thread"));
    thread.start();
    thread.join();
    System.out.println(new String(new ProcessBuilder("echo", "child").start().getInputStream().readAllBytes()).trim());
    try (var server = new java.net.ServerSocket(0)) { System.out.println(server.getLocalPort() > 0); }
  }
}
END
      javac Hello.java && java -Xmx64m Hello`,
  },
  "PostgreSQL: a database, its server and its client": {
    needs: [],
    wants: ["initdb", "postgres", "psql"],
    script: `
      initdb -D data --no-sync --auth trust --username test > /dev/null 2>&1
      (postgres -D data -k "$PWD" -c listen_addresses= > log 2>&1 & echo $! > pid)
      for i in $(seq 200); do psql -h "$PWD" -U test -c 'select 1' postgres > /dev/null 2>&1 && break; sleep 0.05; done
      psql -h "$PWD" -U test -Atc 'create table t as select generate_series(1, 1000) n; select sum(n) from t' postgres
      kill "$(cat pid)"; tail -1 log > /dev/null`,
  },
  "HAProxy: a proxy with threads": {
    needs: [],
    wants: ["haproxy"],
    script: `
      ${haproxyConfig("unix@socket")}
      haproxy -f haproxy.cfg 2> /dev/null &
      ${get("socket")}
      kill $!`,
  },
  "nginx: a server with workers": {
    needs: [],
    wants: ["nginx"],
    script: `
      cat > nginx.conf <<'END'
daemon off;
worker_processes 2;
error_log stderr crit;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  server { listen unix:socket; return 200 served; }
}
END
      nginx -e stderr -p "$PWD" -c nginx.conf &
      ${get("socket")}
      kill $!`,
  },
  "a browser without a screen": {
    needs: ["chromium-headless-shell"],
    script: `
      chromium-headless-shell --no-sandbox --disable-gpu --user-data-dir="$PWD/profile" --dump-dom \
        'data:text/html,<p id=a></p><script>a.textContent = 6 * 7</script>' 2> /dev/null | grep -o '>42<'`,
  },
  "a debugger of the task's own processes": {
    needs: [],
    wants: ["strace"],
    script: "strace -f -o trace sh -c 'echo traced' && grep -c exited trace > /dev/null && echo told",
  },
};

describe.each(Object.entries(programs))("%s", (_name, { needs, wants = [], script }) => {
  it("runs under the default filter as without it", async (context) => {
    requireTools(context, ...needs);
    tryTools(context, ...wants);
    const free = await outcome(script, undefined);
    expect(free).toMatchObject({ exitCode: 0 });
    expect(await outcome(script, filterOf())).toEqual(free);
  });
});

async function outcome(script: string, filter: ReturnType<typeof filterOf>) {
  const folder = temporaryFolder();
  chmodSync(folder, 0o777);
  writeFileSync(`${folder}/script`, `set -e\n${script}\n`, { mode: 0o644 });
  using run = new TestRun();
  const env = { PATH: process.env.PATH ?? "", HOME: folder, LC_ALL: "C.UTF-8" };
  // PostgreSQL needs a user with a name.
  const nobody = { uid: 65_534, gid: 65_534 };
  const command = { command: "/bin/sh", args: ["-c", `. "$PWD/script"`] };
  await run.start({ ...command, ...nobody, workDir: folder, env, filter });
  const ended = await run.ended();
  return { exitCode: ended?.exitCode, signal: ended?.signal, output: run.output() };
}
