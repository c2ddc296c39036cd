/** A browser without a screen, in a root that has the default paths and its installation. */
import { testPrograms } from "../../support/agent/programs.ts";

testPrograms({
  "chromium: a page with a script, as its text, a picture and a PDF": {
    needs: ["chromium-headless-shell"],
    unveil: ["r:/proc", "r:/etc/fonts", "r:/usr/share/fonts"],
    script: `
      echo '<p id="p">before</p><script>p.textContent = 6 * 7 + " from a script"</script>' > page.html
      # Chromium's own sandbox needs user namespaces, which tasks do not have.
      browse() { chromium-headless-shell --no-sandbox --disable-gpu --user-data-dir=$PWD/profile "$@" "file://$PWD/page.html" 2> log || cat log; }
      # The path of Chromium's socket may have at most 107 bytes.
      export HOME=$PWD TMPDIR=/tmp
      browse --dump-dom | grep -o '<p id="p">[^<]*'
      browse --screenshot=$PWD/page.png --window-size=300,200; head -c 4 page.png | tail -c 3; echo
      browse --print-to-pdf=$PWD/page.pdf; head -c 5 page.pdf; echo`,
    out: '<p id="p">42 from a script\nPNG\n%PDF-\n',
    timeout: 120_000,
  },
});
