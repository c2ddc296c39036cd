# A compiler's task before the program's: javac writes to the allocation's folder,
# java reads from there.
#
#   nomad-driver-exec2 run -o unveil_by_task=true examples/java.nomad.hcl
#
# It needs a JDK on the host; where its configuration is not in Debian's folder for
# OpenJDK 17, name it: -var jdk_etc=/etc/java-21-openjdk. On a cluster the client's
# plugin block has to say unveil_by_task = true, or unveil that folder for all tasks.

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

        # The JDK's own folder, below /usr/lib, is one of the default paths; its configuration is not.
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

        # A JVM sizes its heap by the memory that it finds. That is the host's, since neither cgroups
        # nor mounts are unveiled by default: so it is told the task's limit.
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
