// What makes paper of a page; run beside the page's own scripts when it is printed, never part of it.
const paper = {
  // Everything is open, and the list of sections becomes the contents, after the first screen.
  prepare() {
    for (const part of document.querySelectorAll("details")) part.open = true;
    const first = document.querySelector("header.first"), nav = document.querySelector("nav");
    if (!first || !nav) return;
    nav.className = "contents";
    nav.querySelector(".brand").textContent = nav.getAttribute("aria-label");
    for (const link of nav.querySelectorAll("a")) {
      link.removeAttribute("aria-current");
      link.append(Object.assign(document.createElement("span"), { className: "leads" }));
    }
    first.after(nav);
  },
  number(pages) {
    for (const link of document.querySelectorAll(".contents a")) {
      link.querySelector(".leads").textContent = pages[decodeURIComponent(link.hash.slice(1))] ?? "";
    }
  },
};
document.addEventListener("DOMContentLoaded", () => paper.prepare());
