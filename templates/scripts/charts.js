// Charts are drawn when the page stands: first those near the screen, then the rest.
let vega;
const load = () => vega ??= (async () => {
  const script = document.createElement("script");
  script.textContent = await unpacked(document.getElementById("vega"));
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
    inside.setAttribute("aria-hidden", "true");  // its place is one picture with a text of its own
    canvas.append(inside);
    const drawn = await embed(inside, spec, {
      mode: "vega-lite", renderer: "svg", ast: true, actions: false, defaultStyle: false,
      tooltip: { disableDefaultStyle: true },
    });
    canvas.querySelector(".waiting")?.remove();
    figure.view = drawn.view;
    figure.dataset.state = "drawn";
    figure.dispatchEvent(new Event("drawn"));
  } catch (error) {
    figure.dataset.state = "failed";
    canvas.querySelector(".waiting").textContent += _(" This browser could not draw the chart.");
    throw error;
  }
};
const figures = all("figure.chart");
if (figures.length) {
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) if (entry.isIntersecting) { near.unobserve(entry.target); draw(entry.target); }
  }, { rootMargin: "600px" });
  addEventListener("load", async () => {
    await Promise.allSettled(urgent);
    for (const figure of figures) near.observe(figure);
    idle(async () => { for (const figure of figures) await draw(figure); }, { timeout: 3000 });
  });
}
