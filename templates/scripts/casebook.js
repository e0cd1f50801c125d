// The list of predictions: filtered, sorted and drawn a page at a time; a case opens beside it.
// Fields of a row, as workbench/report/casebook.py writes them.
const [ID, CASE, LIGHT, WORDS, STATE, TURN, SLICES, TRUTH, DECIDED, BEFORE, SURE, SHOWN, TOP] = Array(13).keys();
const PAGE = 50, PRINTED = 12;

for (const book of all(".casebook")) {
  const form = book.querySelector("form"), body = book.querySelector("tbody"), panel = book.querySelector(".case");
  const next = book.querySelector(".next"), words = book.querySelector(".words").content;
  const said = (kind, value) => words.querySelector(`[data-${kind}="${value}"]`)?.textContent ?? "";
  let data = { rows: [], names: [], slices: [], cases: [] }, listed = [], shown = PAGE, by = null, up = true, opener = null;

  const written = (row, field) => typeof row[field] === "number" ? data.names[row[field]] ?? said("state", 0) : row[field];
  const tests = {
    words: (row, text) => text.toLowerCase().split(/\s+/).every((word) => row.find.includes(word)),
    truth: (row, value) => row[TRUTH] === +value,
    decided: (row, value) => row[DECIDED] === +value,
    state: (row, value) => row[STATE] === +value,
    turn: (row, value) => row[TURN] === +value,
    slice: (row, value) => row[SLICES].includes(+value),
    sure: (row, value) => { const [low, high] = value.split(" "); return row[SURE] >= +low && row[SURE] < +high; },
    light: (row, value) => value === "explained" ? row[CASE] >= 0 : value === "none" ? row[CASE] < 0
      : row[CASE] >= 0 && row[LIGHT] === +value,
  };

  const element = (tag, text = "", kind = "") => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    made.textContent = text;
    return made;
  };
  const cell = (tag, text, kind = "") => {
    const made = element(tag, "", kind);
    made.append(element("bdi", text));
    return made;
  };
  const address = (row) => row[CASE] >= 0 ? `#case-${row[CASE] + 1}` : `#row-${row.place}`;

  const line = (row) => {
    const made = element("tr"), first = cell("th", ""), link = element("a");
    const values = form.elements.state ? "" : "number";
    first.scope = "row";
    link.href = address(row);
    link.append(element("bdi", row[ID]));
    if (location.hash === address(row)) made.className = "current", link.setAttribute("aria-current", "true");
    if (row[STATE]) {
      const mark = element("span", "", `mark ${row[STATE] === 1 ? "good" : "poor"}`);
      mark.append(element("span", `${said("state", row[STATE])}: `, "hidden"));
      first.replaceChildren(mark);
    } else first.replaceChildren();
    first.append(link);
    const before = cell("td", row[BEFORE], values);
    if (said("turn", row[TURN])) before.append(element("small", said("turn", row[TURN])));
    const light = element("td", "", "lights");
    if (row[CASE] >= 0 && row[LIGHT]) light.append(element("span", "", `light ${["", "good", "fair", "poor"][row[LIGHT]]}`), " ");
    light.append(said("light", row[CASE] < 0 ? "none" : row[LIGHT]));
    made.append(first, cell("td", written(row, TRUTH), values), cell("td", written(row, DECIDED), values), cell("td", row[SHOWN], "number"));
    if (book.querySelector("[data-by='9']")) made.append(before);
    made.append(light);
    return made;
  };

  const count = (n) => {
    const said = (n) => n.toLocaleString(LANGUAGE);
    book.querySelector(".found").textContent =
      book.dataset.found.replace("{shown}", said(n)).replace("{all}", said(data.rows.length));
  };

  const list = () => {
    body.replaceChildren(...listed.slice(0, shown).map(line));
    const left = Math.min(PAGE, listed.length - shown);
    next.hidden = left <= 0;
    next.textContent = book.dataset.next.replace("{n}", left);
    book.querySelector(".none").hidden = listed.length > 0;
    count(listed.length);
  };

  const filter = () => {
    const wanted = [...new FormData(form)].filter(([, value]) => value.trim() && value !== "any");
    listed = data.rows.filter((row) => wanted.every(([key, value]) => tests[key](row, value)));
    if (by !== null) {
      const key = by === SURE || by === LIGHT ? (row) => row[by] : (row) => written(row, by);
      listed.sort((a, b) => {
        const x = key(a), y = key(b), order = typeof x === "number" ? x - y : x.localeCompare(y, LANGUAGE, { numeric: true });
        return (up ? order : -order) || a.place - b.place;
      });
    }
    shown = PAGE;
    list();
  };

  const plain = (row) => {
    const made = book.querySelector(".plain").content.cloneNode(true), mark = said("state", row[STATE]);
    made.querySelector(".mark").classList.add(["open", "good", "poor"][row[STATE]]);
    made.querySelector("h3").append(element("bdi", written(row, DECIDED)));
    made.querySelector(".turn").append(element("bdi", form.elements.state ? `${mark} (${row[SHOWN]})` : row[SHOWN]));
    made.querySelector(".who-is").append(element("bdi", row[ID]));
    const facts = [[".top", row[TOP].map(([label, chance]) => `${label} ${chance}`)], [".of", row[SLICES].map((i) => data.slices[i])]];
    for (const [place, values] of facts) {
      if (values.length) for (const value of values) made.querySelector(place).append(element("div", value));
      else made.querySelector(place).parentElement.remove();
    }
    return made;
  };

  const open = (row, focus) => {
    const place = panel.querySelector(".opened");
    if (row[CASE] >= 0) place.innerHTML = data.cases[row[CASE]];
    else place.replaceChildren(plain(row));
    savable(place);
    panel.id = address(row).slice(1);
    panel.hidden = false;
    panel.style.removeProperty("--strength");
    book.classList.add("open");
    list();
    if (focus) {
      panel.scrollIntoView({ block: "nearest" });
      place.querySelector("h3").focus({ preventScroll: true });
      if (panel.getBoundingClientRect().top < 0 || panel.getBoundingClientRect().top > innerHeight / 2) panel.scrollIntoView();
    }
  };
  const close = () => {
    panel.hidden = true;
    panel.removeAttribute("id");
    book.classList.remove("open");
    list();
    (body.querySelector(`[href="${opener}"]`) ?? form.elements.words).focus();
  };

  // An address leads to a case (#case-3, #row-17) or to a filtered list (#cases:truth=a&decided=b).
  const follow = (focus = true) => {
    const [kind, wanted] = location.hash.slice(1).split(":");
    if (wanted !== undefined && kind === book.closest("section")?.id) {
      form.reset();
      for (const [key, value] of new URLSearchParams(wanted)) {
        const field = form.elements[key], at = data.names.indexOf(value);
        if (field) field.value = at >= 0 && (key === "truth" || key === "decided") ? at : value;
      }
      filter();
      book.closest("section").scrollIntoView();
      if (focus) form.elements.words.focus({ preventScroll: true });
      return;
    }
    const row = /^(case|row)-\d+$/.test(kind) ? data.rows.find((r) => address(r) === `#${kind}`) : null;
    if (row) { opener = location.hash; open(row, focus); }
  };

  const fill = (found) => {
    data = found;
    data.rows.forEach((row, i) => {
      row.place = i;
      row.find = [row[ID], written(row, TRUTH), written(row, DECIDED), row[BEFORE], row[WORDS]].join(" ").toLowerCase();
    });
    filter();
    const first = data.rows.find((row) => row[CASE] === 0);
    if (first) { opener = address(first); open(first, false); }
    follow();
    book.dataset.state = "ready";
    performance.mark("casebook-ready");
  };

  // The download holds every prediction that fits the filters, not only those that are drawn.
  book.querySelector("table").lines = () => [
    all("th[data-by]", book).map((head) => [head.textContent, ""]),
    ...listed.map((row) => [
      [row[ID], said("state", row[STATE])], [written(row, TRUTH), ""], [written(row, DECIDED), ""], [row[SHOWN], ""],
      ...(book.querySelector("[data-by='9']") ? [[row[BEFORE], said("turn", row[TURN])]] : []),
      [said("light", row[CASE] < 0 ? "none" : row[LIGHT]), ""],
    ]),
  ];
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  next.addEventListener("click", () => {
    const from = shown;
    shown += PAGE;
    list();
    body.rows[from]?.querySelector("a").focus();
  });
  panel.querySelector(".close").addEventListener("click", close);
  panel.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
  body.addEventListener("click", (event) => {  // the same address again opens a case that was closed
    const link = event.target.closest("a");
    if (link && link.getAttribute("href") === location.hash) { event.preventDefault(); follow(); }
  });
  for (const head of all("th[data-by]", book)) {
    head.querySelector("button").addEventListener("click", () => {
      const field = +head.dataset.by;
      up = by === field ? !up : field !== SURE;
      by = field;
      for (const other of all("th[data-by]", book)) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      filter();
    });
  }
  addEventListener("hashchange", () => follow());
  addEventListener("beforeprint", () => {
    const paper = element("div", "", "printed"), held = data.cases.length;
    if (held > PRINTED) paper.append(element("p", book.dataset.printed.replace("{shown}", PRINTED).replace("{all}", held), "note"));
    for (const [i, text] of data.cases.slice(0, PRINTED).entries()) {
      if (panel.id === `case-${i + 1}`) continue;
      const made = element("article", "", "case");
      made.innerHTML = text;
      for (const part of made.querySelectorAll("details")) part.open = true;
      paper.append(made);
    }
    book.append(paper);
    count(Math.min(shown, listed.length));
  });
  addEventListener("afterprint", () => { for (const paper of all(".printed", book)) paper.remove(); count(listed.length); });
  urgent.push(unpacked(book.querySelector(".packed")).then((text) => fill(JSON.parse(text))));
}
