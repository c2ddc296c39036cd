/** Small programs of many kinds. The tests learn what each program needs besides the default paths. */
import type { Program } from "../../support/agent/programs.ts";

export const small: Readonly<Record<string, Program>> = {
  "a shell that reads a file, but works without it": {
    script: "cat /etc/shells > /dev/null 2>&1 || true; echo done",
    out: "done\n",
  },
  "awk, sed, sort, tar, xz": {
    needs: ["xz"],
    script: `
      seq 1000 | awk '{ sum += $1 } END { print sum }' | sed s/^/=/
      echo text > file; tar -cJf a.tar.xz file; rm file; tar -xJf a.tar.xz; cat file`,
    out: "=500500\ntext\n",
  },
  "Python's types of files": {
    needs: ["python3"],
    script: `python3 -c 'import mimetypes; print(mimetypes.guess_type("a.epub", strict=False)[0], mimetypes.guess_type("a.xq")[0])'`,
    out: "application/epub+zip None\n",
  },
  "file(1)": { needs: ["file"], script: "printf 'GIF89a' > x; file -b x | cut -c 1-9", out: "GIF image\n" },
  "tput, which looks a terminal up": {
    needs: ["tput"],
    script: "TERM=xterm-256color tput colors; TERM=rxvt-unicode tput colors || true",
    out: "256\n88\n",
  },
  "make and cc": {
    needs: ["make", "gcc"],
    script: `
      printf 'int main(void) { return 0; }\\n' > a.c; printf 'all: a\\n\\t./a && echo made\\n' > Makefile
      make -s CC=gcc`,
    out: "made\n",
  },
  "jq, zstd, bc": {
    needs: ["jq", "zstd", "bc"],
    script: `echo '{"a": [1, 2]}' | jq -c .a; echo text | zstd -q | zstd -dq; echo '2^10' | bc`,
    out: "[1,2]\ntext\n1024\n",
  },
  "fc-list, and its fonts": { wants: ["fc-list"], script: "fc-list | sort | head -1 | wc -l", out: "1\n" },
  "ssh-keygen, which asks for its user": {
    needs: ["ssh-keygen"],
    script: "ssh-keygen -q -t ed25519 -N '' -C c -f key; cut -d ' ' -f 1,3 key.pub",
    out: "ssh-ed25519 c\n",
  },
};
