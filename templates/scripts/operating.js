// A threshold, and all that follows from it. The counts come exact from the page; see workbench/report/operating.py.
const Z = 1.959963984540054;
const share = new Intl.NumberFormat(LANGUAGE, { minimumFractionDigits: 1, maximumFractionDigits: 1, roundingMode: "halfEven" });
const whole = new Intl.NumberFormat(LANGUAGE);
const percent = (k, n) => _("{share} %").replace("{share}", k === 0 || k === n ? 100 * k / n : share.format(100 * k / n));
const wilson = (k, n) => {
  const middle = (k + Z * Z / 2) / (n + Z * Z);
  const half = Z / (n + Z * Z) * Math.sqrt(k * (n - k) / n + Z * Z / 4);
  return _("{low} to {high}").replace("{low}", share.format(100 * Math.max(0, middle - half)))
    .replace("{high}", share.format(100 * Math.min(1, middle + half)));
};

for (const place of all(".operating")) {
  const classes = JSON.parse(place.querySelector(".stops").textContent), chosen = place.querySelector("select.of");
  const slider = place.querySelector("[type=range]"), ratio = place.querySelector(".ratio");
  const figure = place.querySelector("figure.chart");
  let now = classes[0];
  const say = (name, text, small = "") => {
    const cell = place.querySelector(`[data-of=${name}]`);
    cell.textContent = text;
    if (small) cell.append(Object.assign(document.createElement("small"), { textContent: small }));
  };
  const rate = (name, k, n) => n ? say(name, percent(k, n), wilson(k, n)) : say(name, place.dataset.undefined);
  const update = () => {
    const i = +slider.value, at = now.at[i], tp = now.tp[i], fp = now.fp[i];
    const fn = now.positives - tp, tn = now.negatives - fp, n = now.positives + now.negatives;
    const said = _("{share} %").replace("{share}", +(100 * at).toPrecision(4));
    place.querySelector(".at").textContent = said;
    slider.setAttribute("aria-valuetext", said);
    for (const [name, value] of Object.entries({ tp, fp, fn, tn })) say(name, whole.format(value));
    rate("recall", tp, now.positives);
    rate("precision", tp, tp + fp);
    rate("specificity", tn, now.negatives);
    rate("selected", tp + fp, n);
    const price = Math.max(0, +ratio.value || 0);
    say("cost", ((price * fp + fn) / n).toFixed(3));
    for (const button of all(".rules button", place)) button.setAttribute("aria-pressed", +button.value === i);
    figure.view?.signal("threshold", at).signal("label", now.label).runAsync();
  };
  const choose = (at) => { slider.value = at; update(); };
  const change = () => {
    now = classes[chosen ? +chosen.value : 0];
    slider.max = now.at.length - 1;
    place.querySelector(".positive bdi").textContent = now.label;
    place.querySelector(".rules").replaceChildren(...now.rules.map(([name, stop]) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name, value: stop });
      button.addEventListener("click", () => choose(stop));
      return button;
    }));
    choose(now.half);
  };
  slider.addEventListener("input", update);
  ratio.addEventListener("input", update);
  chosen?.addEventListener("change", change);
  figure.addEventListener("drawn", update);
  place.hidden = false;
  change();
}
