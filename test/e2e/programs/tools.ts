/** Command-line programs, with what they need besides the default paths. */
import type { Program } from "../../support/agent/programs.ts";

export const tools: Readonly<Record<string, Program>> = {
  "openssl: a certificate with the extensions of its configuration": {
    needs: ["openssl"],
    options: { unveil_sets: ["openssl"] },
    script: `
      openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key.pem -out cert.pem 2> log || cat log
      openssl x509 -in cert.pem -noout -subject -ext basicConstraints
      openssl verify -CAfile cert.pem cert.pem`,
    out: "subject=CN=localhost\nX509v3 Basic Constraints: critical\n    CA:TRUE\ncert.pem: OK\n",
  },

  "git: a repository, and clones of it": {
    needs: ["git"],
    options: { unveil_sets: ["git"] },
    script: `
      export HOME=$PWD
      git config --global user.name Somebody; git config --global user.email somebody@example.com
      git init -q -b main first; echo text > first/file
      git -C first add file; git -C first commit -q -m "A file"
      git clone -q first second
      git clone -q --depth 1 "file://$PWD/first" third
      git -C second gc -q; git -C third log --format=%s; git -C second grep -n text; git -C second status -s`,
    out: "A file\nfile:1:text\n",
  },

  "curl: a page of a server in the task": {
    needs: ["curl", "python3"],
    script: `
      echo served > page.html; : > log
      python3 -u -m http.server 0 --bind 127.0.0.1 >> log 2>&1 & server=$!
      until grep -q ' port ' log; do sleep 0.02; done
      port=$(sed -n 's/.* port \\([0-9]*\\) .*/\\1/p' log)
      curl -sS -w '%{http_code} %{content_type}\\n' "http://localhost:$port/page.html"
      curl -sS -o /dev/null -w '%{http_code}\\n' "http://127.0.0.1:$port/missing"
      kill $server`,
    out: "served\n200 text/html\n404\n",
  },

  "sqlite3: a database with a write-ahead log": {
    needs: ["sqlite3"],
    script: `
      sqlite3 data.db 'pragma journal_mode = wal; create table t (n); insert into t values (1), (2), (3);'
      sqlite3 data.db 'select sum(n) from t; pragma integrity_check; vacuum;'`,
    out: "wal\n6\nok\n",
  },
};
