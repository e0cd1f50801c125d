// Which section is being read.
const links = new Map(all("nav a[href^='#']").map((a) => [a.hash.slice(1), a]));
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const a of links.values()) a.removeAttribute("aria-current");
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }
}, { rootMargin: "-15% 0px -75% 0px" });
for (const id of links.keys()) {
  const target = document.getElementById(id);
  if (target) seen.observe(target);
}

// Printing opens everything.
addEventListener("beforeprint", () => { for (const d of all("details:not([open])")) { d.open = true; d.dataset.shut = ""; } });
addEventListener("afterprint", () => { for (const d of all("details[data-shut]")) { d.open = false; delete d.dataset.shut; } });

// A text is one stop of the Tab key; the arrow keys move from word to word.
const name = (word) => {
  if (word?.matches(".tokens .w") && !word.hasAttribute("aria-label")) {
    word.setAttribute("role", "img");
    word.setAttribute("aria-label", `${word.textContent}: ${word.dataset.v}`);
  }
};
document.addEventListener("focusin", (event) => name(event.target));
document.addEventListener("keydown", (event) => {
  const text = event.target.closest?.(".tokens");
  if (!text) return;
  const words = all(".w", text);
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  const at = words.indexOf(event.target);
  const to = event.key === "Home" ? 0 : event.key === "End" ? words.length - 1 : step ? at + step : -1;
  if (at < 0 || !words[to]) return;
  event.preventDefault();
  name(words[to]);
  words[at].tabIndex = -1;
  words[to].tabIndex = 0;
  words[to].focus();
});

// How strongly pictures are coloured, for one case.
document.addEventListener("input", (event) => {
  if (event.target.matches(".slider input")) {
    event.target.closest(".case").style.setProperty("--strength", event.target.value / 100);
  }
});
