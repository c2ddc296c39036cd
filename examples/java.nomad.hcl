# One task compiles a program, and another one runs it: javac writes to the allocation's folder,
# and java reads from there.
#
#   nomad-driver-exec2 run examples/java.nomad.hcl
#
# The host needs a JDK. If its configuration is not in Debian's folder for OpenJDK 17, name the
# folder: --var jdk_etc=/etc/java-21-openjdk. On a cluster, the client's plugin block needs
# unveil_allowed, or this folder in unveil_paths.

variable "jdk_etc" {
  type    = string
  default = "/etc/java-17-openjdk"
}

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
        unveil = ["r:${var.jdk_etc}"]
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
        args   = ["-XX:MaxRAM=${NOMAD_MEMORY_LIMIT}m", "-cp", "${NOMAD_ALLOC_DIR}/data", "Hello"]
        unveil = ["r:${var.jdk_etc}"]
      }

      resources {
        cpu    = 1000
        memory = 256
      }
    }
  }
}
