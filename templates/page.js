"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

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

  // A link to a case opens it; printing opens everything.
  const reveal = () => {
    const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
    if (target?.matches("details")) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  reveal();
  addEventListener("beforeprint", () => { for (const d of all("details:not([open])")) { d.open = true; d.dataset.shut = ""; } });
  addEventListener("afterprint", () => { for (const d of all("details[data-shut]")) { d.open = false; delete d.dataset.shut; } });

  // A text is one stop of the Tab key; the arrow keys move from word to word.
  const name = (word) => {
    if (!word.hasAttribute("aria-label")) {
      word.setAttribute("role", "img");
      word.setAttribute("aria-label", `${word.textContent}: ${word.dataset.v}`);
    }
  };
  for (const text of all(".tokens")) {
    const first = text.querySelector(".w");
    if (first) name(first);
    text.addEventListener("keydown", (event) => {
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
  }

  // How strongly a picture is coloured, for one case.
  for (const slider of all(".slider input")) {
    slider.addEventListener("input", () => {
      slider.closest(".case").style.setProperty("--strength", slider.value / 100);
    });
  }

  // Charts are drawn when the page stands: first those near the screen, then the rest.
  let vega;
  const load = () => vega ??= (async () => {
    const packed = Uint8Array.from(atob(document.getElementById("vega").textContent.trim()), (c) => c.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
    return window.vegaEmbed;
  })();
  const draw = async (figure) => {
    if (figure.dataset.state) return;
    figure.dataset.state = "drawing";
    const canvas = figure.querySelector(".canvas");
    try {
      const embed = await load();
      const spec = JSON.parse(figure.querySelector(".spec").textContent);
      const inside = document.createElement("div");
      inside.className = "drawing";
      canvas.append(inside);
      await embed(inside, spec, {
        mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false,
        tooltip: { disableDefaultStyle: true },
      });
      canvas.querySelector(".waiting")?.remove();
      figure.dataset.state = "drawn";
    } catch (error) {
      figure.dataset.state = "failed";
      canvas.querySelector(".waiting").textContent += " This browser could not draw the chart.";
      throw error;
    }
  };
  const figures = all("figure.chart");
  if (figures.length) {
    const near = new IntersectionObserver((entries) => {
      for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
    }, { rootMargin: "600px" });
    const idle = window.requestIdleCallback ?? ((f) => setTimeout(f, 300));
    addEventListener("load", () => {
      for (const figure of figures) near.observe(figure);
      idle(async () => { for (const figure of figures) await draw(figure); }, { timeout: 3000 });
    });
  }
})();
