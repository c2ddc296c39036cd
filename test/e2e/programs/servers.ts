/** Servers, with what they need besides the default paths. */
import {
  haproxyConfig,
  makeCertificate,
  type Program,
  postgresPrograms,
} from "../../support/agent/programs.ts";

/** Script lines that wait until a command succeeds, or the server has ended. */
const until = (command: string) => `until ${command} > /dev/null 2>&1; do kill -0 $server; sleep 0.05; done`;
/** Script lines that get a page. Servers make their sockets before they listen on them. */
const getPage = `${until("curl -s --unix-socket /tmp/socket --insecure https://localhost/page.html")}
      curl -sS --unix-socket /tmp/socket --cacert cert.pem https://localhost/page.html`;

export const servers: Readonly<Record<string, Program>> = {
  "PostgreSQL: a new cluster, its server and queries, one of them by several processes": {
    wants: [`${postgresPrograms}/initdb`],
    options: { identity_files: true, unveil_sets: ["postgres"] },
    script: `
      PATH=${postgresPrograms}:$PATH
      initdb -D data --auth trust > log 2>&1 || { cat log; exit 1; }
      postgres -D data -k /tmp -c listen_addresses= > log 2>&1 & server=$!
      ${until("pg_isready -h /tmp")}
      psql -h /tmp -qAtX postgres <<'END'
        create table t as select generate_series(1, 100000) n;
        select sum(n) from t;
        set min_parallel_table_scan_size = 0; set parallel_setup_cost = 0; set parallel_tuple_cost = 0;
        explain (analyze, costs off, timing off, summary off) select count(*) from t;
        select current_user like 'nomad-%', pg_read_file('/etc/passwd') like 'root:%', now() is not null;
END
      kill -INT $server; wait $server`,
    out: /^5000050000\n.*Workers Launched: [12]\n.*\nt\|t\|t\n$/s,
  },

  "Redis: keys, and a snapshot by a process of its own": {
    needs: ["redis-check-rdb", "redis-cli"],
    // Debian's redis-server is a link to this program, but its package starts a service.
    script: `
      ln -s /usr/bin/redis-check-rdb redis-server
      ./redis-server --port 0 --unixsocket /tmp/socket --daemonize no > log & server=$!
      cli() { redis-cli -s /tmp/socket "$@"; }
      ${until("cli ping")}
      cli set key 41; cli incr key; cli bgsave
      ${until("grep -q 'terminated with success' log")}
      cli shutdown; wait $server
      redis-check-rdb dump.rdb | grep -o 'RDB looks OK'`,
    out: "OK\n42\nBackground saving started\nRDB looks OK\n",
  },

  "HAProxy: pages over TLS": {
    needs: ["openssl", "curl"],
    wants: ["haproxy"],
    options: { unveil_sets: ["haproxy"] },
    script: `${makeCertificate}
      cat cert.pem key.pem > both.pem
      ${haproxyConfig("unix@/tmp/socket ssl crt both.pem")}
      /usr/sbin/haproxy -db -f haproxy.cfg 2> log & server=$!
      ${getPage}
      kill -USR1 $server; wait $server`,
    out: "served",
  },

  "nginx: pages over TLS, from two workers": {
    needs: ["openssl", "curl"],
    wants: ["nginx"],
    options: { unveil_sets: ["nginx"] },
    script: `${makeCertificate}
      cat > nginx.conf <<'END'
daemon off;
worker_processes 2;
pid nginx.pid;
events {}
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  ssl_session_cache shared:sessions:1m;
  server {
    listen unix:/tmp/socket ssl;
    ssl_certificate cert.pem;
    ssl_certificate_key key.pem;
    root .;
  }
}
END
      echo served > page.html
      /usr/sbin/nginx -e stderr -p "$PWD" -c nginx.conf & server=$!
      ${getPage}
      kill -QUIT $server; wait $server`,
    out: "served\n",
  },
};
