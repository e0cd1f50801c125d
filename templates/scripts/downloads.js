// Any table as CSV, any picture as SVG.
const field = (text) => {
  const value = text.trim().replace(/\s+/g, " ");
  const number = value.replace("−", "-").replace(/(\d),(?=\d{3})/g, "$1");
  if (/^[+-]?\d+(\.\d+)?$/.test(number)) return number;
  // what a spreadsheet would take for a formula is marked as text
  return `"${(/^[=+\-@−|%]/.test(value) ? `'${value}` : value).replaceAll('"', '""')}"`;
};
const spoken = (cell) => {
  const copy = cell.cloneNode(true);
  for (const part of all("small, svg, .hidden", copy)) part.remove();
  return [copy.textContent || cell.querySelector("svg")?.getAttribute("aria-label") || "",
    all("small", cell).map((s) => s.textContent).join(" ")];
};
const csv = (table) => {
  const lines = table.lines?.() ?? all("tr", table).map((row) => [...row.cells].flatMap((cell) =>
    [spoken(cell), ...Array(cell.colSpan - 1).fill(["", ""])]));
  const noted = [];
  for (const line of lines) line.forEach(([, note], i) => { noted[i] ||= Boolean(note); });
  return lines.map((line) => line.flatMap(([text, note], i) => noted[i] ? [text, note] : [text]).map(field).join(",")).join("\r\n");
};

const NS = "http://www.w3.org/2000/svg";
const solid = (text) => text.replace(/var\((--[\w-]+)\)/g, (_, name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim());
const finished = (svg) => {
  const copy = svg.cloneNode(true), drawn = all("*", svg);
  all("*", copy).forEach((part, i) => {
    const style = getComputedStyle(drawn[i]);
    for (const name of ["fill", "stroke", "stroke-width", "opacity", "font-size", "font-family"]) {
      if (part.tagName !== "use") part.setAttribute(name, style.getPropertyValue(name));
    }
  });
  for (const use of all("use", copy)) {
    const image = document.getElementById(use.getAttribute("href").slice(1));
    if (image) use.replaceWith(image.cloneNode(true));
  }
  const [, , width, height] = (copy.getAttribute("viewBox") ?? `0 0 ${svg.clientWidth} ${svg.clientHeight}`).split(/\s+/);
  copy.setAttribute("xmlns", NS);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  return copy.outerHTML;
};
// Bars and trees are lists with a small picture in each line: one picture of them all.
const composed = (list) => {
  const lines = all(".area, .bars > li, li:not(:has(.area))", list).filter((line) => line.querySelector("svg"));
  const made = document.createElementNS(NS, "svg"), ink = getComputedStyle(list).color;
  const text = (x, y, said, anchor) => {
    const part = document.createElementNS(NS, "text");
    for (const [key, value] of Object.entries({ x, y, fill: ink, "font-size": 12, "font-family": "sans-serif", "text-anchor": anchor })) part.setAttribute(key, value);
    part.textContent = said.trim().replace(/\s+/g, " ");
    made.append(part);
  };
  lines.forEach((line, i) => {
    const [first, last] = [line.firstElementChild, line.lastElementChild], svg = line.querySelector("svg");
    text(290, 24 * i + 16, first.textContent, "end");
    const holder = document.createElement("div");
    holder.innerHTML = finished(svg);
    const inner = holder.firstChild;
    for (const [key, value] of Object.entries({ x: 300, y: 24 * i + 5, width: 160, height: 14 })) inner.setAttribute(key, value);
    made.append(inner);
    text(470, 24 * i + 16, last.textContent, "start");
  });
  made.setAttribute("xmlns", NS);
  made.setAttribute("viewBox", `0 0 700 ${24 * lines.length}`);
  made.setAttribute("width", 700);
  made.setAttribute("height", 24 * lines.length);
  return made.outerHTML;
};

const save = (name, type, text) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};
const file = (text, ending) => `${text.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 60) || _("part")}.${ending}`;
const button = (kind, named, before, make) => {
  const holder = document.createElement("div"), made = document.createElement("button");
  holder.className = `saves ${kind}`;
  made.type = "button";
  made.textContent = kind.toUpperCase();
  made.setAttribute("aria-label", `${document.body.dataset[kind]}: ${named}`);
  made.addEventListener("click", () => save(file(named, kind), kind === "csv" ? "text/csv;charset=utf-8" : "image/svg+xml", make()));
  holder.append(made);
  before(holder);
};
const savable = (root) => {
  for (const table of all("table", root)) {
    const named = table.caption?.textContent.trim() || table.closest("details")?.querySelector("summary").textContent.trim() || _("table");
    const place = table.closest(".scroll") ?? table;
    button("csv", named, (holder) => table.caption && !table.caption.matches(".hidden") ? place.before(holder) : place.after(holder), () => `\ufeff${csv(table)}`);
  }
  for (const figure of all("figure.chart", root)) {
    const named = figure.querySelector(".canvas").getAttribute("aria-label");
    figure.addEventListener("drawn", () => button("svg", named, (holder) => figure.prepend(holder),
      () => solid(finished(figure.querySelector(".drawing svg")))));
  }
  for (const part of all("ul.bars, figure.tree", root)) {
    const named = part.getAttribute("aria-label") ?? part.querySelector("figcaption").textContent;
    button("svg", named, (holder) => part.after(holder), () => composed(part));
  }
  for (const svg of all("figure.picture svg", root)) {
    button("svg", svg.getAttribute("aria-label"), (holder) => svg.before(holder), () => finished(svg));
  }
};
savable(document);
