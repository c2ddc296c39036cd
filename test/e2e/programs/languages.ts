/** Interpreters and compilers, with what they need besides the default paths. */
import { makeCertificate, type Program } from "../../support/agent/programs.ts";
import { reachableNode } from "../../support/host/reachableNode.ts";

const node = reachableNode();

export const languages: Readonly<Record<string, Program>> = {
  "sh: pipes, jobs, files, archives": {
    script: `
      seq 100 | sort -rn | head -1
      sleep 0.01 & wait $!
      mkdir a; cp /bin/true a/; a/true
      tar -czf a.tgz a; rm -r a; tar -tzf a.tgz
      grep -c '^http[[:space:]]' < /etc/services
      TZ=Europe/Paris date -d @0 +%H:%M
      test -f "$(mktemp)" && env -i id -u > /dev/null && timeout 5 nice true`,
    out: "100\na/\na/true\n1\n01:00\n",
  },

  "Python: http.server over TLS, and multiprocessing": {
    needs: ["python3", "openssl"],
    script: `${makeCertificate}
      cat > program.py <<'END'
import multiprocessing, ssl, threading, urllib.request
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *args): pass

def square(n): return n * n

if __name__ == "__main__":
    for method in ["fork", "spawn", "forkserver"]:
        with multiprocessing.get_context(method).Pool(2) as pool:
            print(method, pool.map(square, [1, 2, 3]))
    server = ThreadingHTTPServer(("localhost", 0), Quiet)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain("cert.pem", "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    trusting = ssl.create_default_context(cafile="cert.pem")
    with urllib.request.urlopen(f"https://localhost:{server.server_port}/page.html", context=trusting) as page:
        print(page.status, page.headers["content-type"], page.read().decode().strip())
END
      echo served > page.html
      # The sockets of multiprocessing need short paths.
      TMPDIR=/tmp python3 program.py`,
    out: "fork [1, 4, 9]\nspawn [1, 4, 9]\nforkserver [1, 4, 9]\n200 text/html served\n",
  },

  "Node: a server over TLS and its client, workers and children": {
    needs: ["openssl"],
    unveil: [`rx:${node}`],
    script: `${makeCertificate}
      cat > program.cjs <<'END'
const { execFileSync } = require("node:child_process");
const { readFileSync, watch } = require("node:fs");
const https = require("node:https");
const { Worker } = require("node:worker_threads");
const server = https.createServer({ key: readFileSync("key.pem"), cert: readFileSync("cert.pem") });
server.on("request", (_, answer) => answer.end("served"));
server.listen(0, "localhost", async () => {
  const page = await fetch("https://localhost:" + server.address().port);
  console.log(page.status, await page.text());
  server.close();
  server.closeAllConnections();
});
watch(".").close();
console.log(execFileSync("echo", ["child"], { encoding: "utf8" }).trim());
new Worker("process.exitCode = 0", { eval: true });
END
      NODE_EXTRA_CA_CERTS=cert.pem '${node}' program.cjs`,
    out: "child\n200 served\n",
  },

  "Java: a compiler, a server and its client, the host's certificates, the user's name": {
    needs: ["javac", "java"],
    options: { identity_files: true, unveil_sets: ["java"] },
    script: `
      cat > Program.java <<'END'
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.security.KeyStore;
import javax.net.ssl.TrustManagerFactory;

public class Program {
  public static void main(String[] args) throws Exception {
    var server = HttpServer.create(new InetSocketAddress("localhost", 0), 0);
    server.createContext("/", exchange -> {
      exchange.sendResponseHeaders(200, 6);
      exchange.getResponseBody().write("served".getBytes());
      exchange.close();
    });
    server.start();
    var page = URI.create("http://localhost:" + server.getAddress().getPort());
    System.out.println(HttpClient.newHttpClient().send(HttpRequest.newBuilder(page).build(), BodyHandlers.ofString()).body());
    server.stop(0);
    var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init((KeyStore) null);
    System.out.println(trust.getTrustManagers().length + " " + System.getProperty("user.name").startsWith("nomad-"));
    System.out.print(new String(new ProcessBuilder("echo", "child").start().getInputStream().readAllBytes()));
    System.exit(0);
  }
}
END
      javac Program.java
      java -Xmx64m Program`,
    out: "served\n1 true\nchild\n",
  },

  "C: gcc, and a program with threads": {
    needs: ["gcc"],
    options: { unveil_sets: ["gcc"] },
    script: `
      cat > program.c <<'END'
#include <pthread.h>
#include <stdio.h>
static void *run(void *text) { return puts(text), NULL; }
int main(void) { pthread_t t; return pthread_create(&t, 0, run, "thread") || pthread_join(t, 0); }
END
      gcc -O2 -pthread -o program program.c; ./program
      gcc -static -pthread -o static program.c; ./static`,
    out: "thread\nthread\n",
  },

  "Go: a module is built, and connects to itself": {
    wants: ["go"],
    options: { unveil_sets: ["go"] },
    script: `
      cat > program.go <<'END'
package main

import ("fmt"; "io"; "net")

func main() {
  server, err := net.Listen("tcp", "localhost:0")
  if err != nil { panic(err) }
  go func() {
    client, _ := server.Accept()
    fmt.Fprintln(client, "served")
    client.Close()
  }()
  client, err := net.Dial("tcp", server.Addr().String())
  if err != nil { panic(err) }
  said, _ := io.ReadAll(client)
  fmt.Print(string(said))
}
END
      export HOME=$PWD CGO_ENABLED=0 GOTOOLCHAIN=local
      go mod init example.com/program 2> log; go build 2>> log || { cat log; exit 1; }
      ./program`,
    out: "served\n",
    timeout: 180_000,
  },

  "Perl: modules, processes, sockets": {
    needs: ["perl"],
    options: { unveil_sets: ["perl"] },
    script: `
      cat > program.pl <<'END'
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use File::Temp qw(tempfile);
use IO::Socket::INET;
print substr(sha256_hex("x"), 0, 8), "\\n";
my ($file) = tempfile();
my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => "localhost") or die "$@";
if (fork() == 0) {
  my $client = IO::Socket::INET->new(PeerAddr => "localhost", PeerPort => $server->sockport) or die "$@";
  print $client "said\\n";
  exit;
}
print $server->accept->getline;
wait;
print $? >> 8, "\\n";
END
      perl program.pl`,
    out: "2d711642\nsaid\n0\n",
  },

  "Ruby: its libraries, threads and sockets": {
    wants: ["ruby"],
    script: `
      cat > program.rb <<'END'
require "digest"
require "json"
require "openssl"
require "socket"
server = TCPServer.new("localhost", 0)
thread = Thread.new { server.accept.tap { |client| client.puts(JSON.generate({ said: 1 })) }.close }
puts TCPSocket.new("localhost", server.addr[1]).read
thread.join
puts Digest::SHA256.hexdigest("x")[0, 8], OpenSSL::PKey::EC.generate("prime256v1").private?
puts fork { exit 3 }.then { |pid| Process.wait2(pid)[1].exitstatus }
END
      ruby program.rb`,
    out: '{"said":1}\n2d711642\ntrue\n3\n',
  },

  "PHP: processes, and sockets over TLS": {
    needs: ["php", "openssl"],
    script: `${makeCertificate}
      cat cert.pem key.pem > both.pem
      cat > program.php <<'END'
<?php
$server = stream_context_create(["ssl" => ["local_cert" => "both.pem"]]);
$socket = stream_socket_server("tls://127.0.0.1:0", $code, $message, STREAM_SERVER_BIND | STREAM_SERVER_LISTEN, $server);
if (pcntl_fork() === 0) {
  $client = stream_context_create(["ssl" => ["cafile" => "cert.pem", "peer_name" => "localhost"]]);
  echo file_get_contents("https://" . stream_socket_get_name($socket, false) . "/", false, $client), PHP_EOL;
  exit(0);
}
$connection = stream_socket_accept($socket);
fread($connection, 4096);
fwrite($connection, "HTTP/1.0 200 OK\\r\\n\\r\\n" . json_encode(["served" => true]));
fclose($connection);
pcntl_wait($status);
echo pcntl_wexitstatus($status), PHP_EOL;
END
      php program.php`,
    out: '{"served":true}\n0\n',
  },
};
