// Asks where the page came from for a newer one, and goes there when the hand rests.
let touched = -1e9;
for (const name of ["pointermove", "pointerdown", "keydown", "wheel"]) addEventListener(name, () => { touched = performance.now(); }, { passive: true });

async function lookForNewer() {
  try {
    const answer = await fetch(location.pathname, { method: "HEAD", cache: "no-store" });
    if (Date.parse(answer.headers.get("last-modified")) > Date.parse(document.lastModified)) {
      byId("newer").hidden = false;
      if (performance.now() - touched > 4000) location.reload();
    }
  } catch { /* nobody serves it any more: it is a file like any other */ }
  setTimeout(lookForNewer, 2000);
}
byId("newer").addEventListener("click", () => location.reload());
if (location.protocol === "http:") lookForNewer();
