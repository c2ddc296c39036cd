# One task compiles a program, and another one runs it: javac writes to the allocation's folder,
# and java reads from there.
#
#   nomad-driver-exec2 run examples/java.nomad.hcl
#
# The host needs a JDK. The set "java" unveils its configuration, whatever its version. On a cluster,
# the client's plugin block needs unveil_allowed with it, or a set of this name in unveil_sets.

job "java" {
  type = "batch"

  group "java" {
    task "compile" {
      driver = "exec2"

      lifecycle {
        hook = "prestart"
      }

      config {
        command = "javac"
        args    = ["-d", "${NOMAD_ALLOC_DIR}/data", "local/Hello.java"]

        # The JDK itself is in /usr/lib, a default path, but its configuration is not.
        unveil_sets = ["java"]
      }

      template {
        destination = "local/Hello.java"
        data        = <<-EOF
          public class Hello {
            public static void main(String[] args) throws Exception {
              Thread[] threads = new Thread[8];
              for (int i = 0; i < threads.length; i++) {
                threads[i] = new Thread(() -> { });
                threads[i].start();
              }
              for (Thread thread : threads) thread.join();
              long heap = Runtime.getRuntime().maxMemory() >> 20;
              System.out.println("Hello from Java, with a heap of at most " + heap + " MiB");
            }
          }
        EOF
      }

      resources {
        cpu    = 1000
        memory = 512
      }
    }

    task "run" {
      driver = "exec2"

      config {
        command = "java"

        # A JVM sizes its heap by the memory that it finds. Without access to its cgroup, a JVM finds the
        # host's memory, so this option names the task's limit.
        args        = ["-XX:MaxRAM=${NOMAD_MEMORY_LIMIT}m", "-cp", "${NOMAD_ALLOC_DIR}/data", "Hello"]
        unveil_sets = ["java"]
      }

      resources {
        cpu    = 1000
        memory = 256
      }
    }
  }
}
