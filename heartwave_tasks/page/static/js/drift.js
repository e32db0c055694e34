// Drift: what share of a night's beats each class has, beside the thirty days before it.

import { CLASSES, CLASS_NAMES, classMark, h } from "./dom.js";

/**
 * found: columns night, class, n_beats, share, change of the champion's nights, in the order of time.
 * population: how far the last night is from what the champion learnt from, by label and alarming feature.
 */
export function drift(found, population) {
  if (!found.night.length) return null;
  const nights = [...new Set(found.night)];
  const last = nights.at(-1);
  const share = (value) => value === null ? "–" : `${(100 * value).toFixed(2)} %`;
  const rows = CLASSES.map((name) => {
    const places = found.class.flatMap((one, at) => one === name ? [at] : []);
    const at = places.find((place) => found.night[place] === last);
    if (at === undefined) return null;
    return h("tr", {}, h("th", { scope: "row" }, classMark(name), " ", CLASS_NAMES[name]),
      h("td", { class: "num" }, share(found.share[at])),
      h("td", { class: "num" }, found.change[at] === null ? "–" : `${found.change[at] < 0 ? "−" : "+"}${Math.abs(100 * found.change[at]).toFixed(2)}`),
      h("td", { class: "wide" }, course(places.map((place) => found.share[place]), name)));
  });
  return h("section", { class: "card drift" }, h("h2", {}, "Drift", h("span", { class: "at" }, `night of ${last}`)),
    h("table", { class: "plain" }, h("thead", {}, h("tr", {}, ["Class", "Share of beats", "Change, points", `${nights.length} ${nights.length === 1 ? "night" : "nights"}`].map((name, at) => h("th", { scope: "col", class: at && at !== 3 ? "num" : null }, name)))),
      h("tbody", {}, rows)),
    h("p", { class: "muted small" }, found.change.some((value) => value !== null) ? "Change: against the mean of the 30 days before, same model version." : "The first nights of this version: nothing to compare with yet."),
    stability(population));
}

/** The population stability index of labels and of the features that moved, against what the champion learnt from. */
function stability(population) {
  const labels = population.find((row) => row.kind === "labels");
  if (!labels) return null;
  const moved = population.filter((row) => row.kind === "feature");
  return h("p", { class: "small" }, "Against what the champion learnt from: ",
    h("span", { class: `chip ${labels.is_alarming ? "bad" : ""}`, title: `Population stability index of the labels; alarming from ${labels.threshold.toFixed(2)}` }, `labels PSI ${labels.psi.toFixed(2)}`), " ",
    moved.length ? moved.map((row) => [h("span", { class: "chip bad", title: `Alarming from ${row.threshold.toFixed(2)}` }, `${row.name} ${row.psi.toFixed(2)}`), " "]) : "no feature has moved alarmingly.");
}

/** A bar for each night, as high as the class's share, in the scale of its highest. */
function course(shares, name) {
  const most = Math.max(...shares, 1e-9);
  return h("span", { class: "course", "aria-hidden": "true" }, shares.slice(-60).map((value) => {
    const bar = h("i", { class: `bar-${name}` });
    bar.style.height = `${Math.max(4, (100 * value) / most)}%`;
    return bar;
  }));
}
