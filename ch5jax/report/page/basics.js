// What every page is made with: its data, elements, and words for numbers.
const data = JSON.parse(document.getElementById("data").textContent);
const KINDS = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };

function unpack(packed) {
  if (packed.array) return packed.array;
  const kind = Object.keys(KINDS).find((one) => one in packed);
  const text = atob(packed[kind]);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  delete packed[kind];
  return (packed.array = new KINDS[kind](bytes.buffer));
}

function said(value, share) {
  if (!Number.isFinite(value)) return "–";
  if (share) return `${(100 * value).toFixed(2)} %`;
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  return String(Number(value.toPrecision(4)));
}
const counted = (n, thing) => `${n.toLocaleString("en")} ${thing}${n === 1 ? "" : "s"}`;

function element(tag, text, attributes = {}) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
// draws what can be seen, or nearly, now, and the rest when it can; what this gives is called when there is something new
let printing = false;
const onPaper = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => onPaper.matches && !printing;
// what is drawn for a screen is drawn anew for paper, light and of its width, and back again
function drawsForPaper(redraw) {
  for (const when of ["beforeprint", "afterprint"]) addEventListener(when, () => {
    printing = when === "beforeprint";
    document.documentElement.classList.toggle("printing", printing);
    redraw();
  });
  onPaper.addEventListener("change", redraw);
}
function whenSeen(one, draw) {
  let stale = false, seen = false;
  new IntersectionObserver((entries) => {
    seen = entries[entries.length - 1].isIntersecting;
    if (seen && stale) { stale = false; draw(); }
  }, { rootMargin: "300px" }).observe(one);
  return () => { if (seen || printing) { stale = false; draw(); } else stale = true; };
}
const byId = (id) => document.getElementById(id);
// Plotly takes `<` and `&` for markup
const plain = (text, most = 40) => (text.length > most ? text.slice(0, most - 1) + "…" : text)
  .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
