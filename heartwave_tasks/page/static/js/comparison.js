// Comparison: two versions side by side, with what the gate and people made of them.

import { CLASSES, CLASS_NAMES, classMark, count, fill, h, moment } from "./dom.js";
import { described } from "./models.js";

export function showComparison(found, versions, champion, parameters) {
  const chosen = {
    left: Number(parameters.get("left")) || (champion ?? versions[0]),
    right: Number(parameters.get("right")) || versions.find((version) => version !== (champion ?? versions[0])) || versions[0],
  };
  const body = h("div", {});
  const pick = (side) => {
    const select = h("select", { "aria-label": `${side} version`, onchange: () => { chosen[side] = Number(select.value); compare(); } }, versions.map((version) => h("option", { value: version }, `version ${version}${version === champion ? " (champion)" : ""}`)));
    select.value = chosen[side];
    return select;
  };
  compare();
  return h("section", { class: "card compare" }, h("h2", {}, versions.length > 1 ? ["Side by side ", h("span", { class: "at" }, pick("left"), " ", pick("right"))] : "Confusion matrix"), body);

  function compare() {
    const sides = versions.length > 1 ? [chosen.left, chosen.right] : [chosen.left];
    fill(body,
      h("div", { class: "sides" }, sides.map((version) => {
        const row = found.evaluations.find((one) => one.model_version === version && one.protocol === "patient_folds") ?? found.evaluations.find((one) => one.model_version === version);
        return h("div", {}, h("h3", {}, `Version ${version} `, h("span", { class: "muted" }, `${row.architecture} · ${described(row.protocol)[0]}`)), matrix(row.confusion));
      })),
      verdict(found.comparisons, chosen));
  }
}

/** What the gate found when one of the two challenged the other, and what a person decided. */
function verdict(comparisons, { left, right }) {
  const newest = comparisons.find((row) => [row.challenger_version, row.champion_version].sort().join() === [left, right].sort().join());
  if (!newest) return null;
  const rows = comparisons.filter((row) => row.comparison_id === newest.comparison_id && row.figure !== null);
  const share = (value) => value === null ? "–" : (100 * value).toFixed(1);
  return h("div", { class: "verdict" },
    h("h3", {}, `When version ${newest.challenger_version} challenged version ${newest.champion_version} `,
      h("span", { class: `chip ${newest.passed ? "accent" : "warn"}` }, newest.passed ? "the gate let it pass" : "the gate held it"),
      newest.approved === null ? null : h("span", { class: `chip ${newest.approved ? "accent" : "bad"}` }, `${newest.approved ? "approved" : "rejected"} by ${newest.decided_by}`)),
    h("p", { class: "muted small" }, `${moment(newest.compared_at)} · ${described(newest.protocol)[0]}, the same ${count(newest.n_beats)} beats of ${count(newest.n_patients)} patients`),
    rows.length ? h("table", { class: "plain" },
      h("thead", {}, h("tr", {}, ["Figure", `Version ${newest.challenger_version}`, `Version ${newest.champion_version}`, "Difference", "95 % of it, by patient"].map((name, at) => h("th", { scope: "col", class: at ? "num" : null }, name)))),
      h("tbody", {}, rows.map((row) => h("tr", {},
        h("th", { scope: "row" }, row.figure, row.decides ? h("span", { class: "chip" }, "decides") : null),
        h("td", { class: "num" }, share(row.challenger)), h("td", { class: "num" }, share(row.champion)),
        h("td", { class: "num strong" }, row.challenger === null || row.champion === null ? "–" : signed(row.challenger - row.champion)),
        h("td", { class: "num" }, row.difference_low === null ? "–" : `${signed(row.difference_low)} to ${signed(row.difference_high)}`))))) : null,
    h("p", {}, newest.reasons), newest.note ? h("p", {}, `${newest.decided_by}: ${newest.note}`) : null);
}

function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`;
}

function matrix(confusion) {
  const at = (reference, label) => Array.isArray(confusion) ? confusion[CLASSES.indexOf(reference)]?.[CLASSES.indexOf(label)] ?? 0 : confusion?.[reference]?.[label] ?? 0;
  const kept = CLASSES.filter((name) => CLASSES.some((other) => at(name, other) || at(other, name)));
  return h("table", { class: "matrix" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Reference \u2193 label \u2192"), kept.map((name) => h("th", { scope: "col", class: "num" }, classMark(name))))),
    h("tbody", {}, kept.map((reference) => {
      const total = kept.reduce((sum, label) => sum + at(reference, label), 0) || 1;
      return h("tr", {}, h("th", { scope: "row" }, classMark(reference), h("span", { class: "lead" }, CLASS_NAMES[reference])), kept.map((label) => {
        const cell = h("td", { class: `num ${label === reference ? "right" : ""}`, title: `${(100 * at(reference, label) / total).toFixed(1)} % of ${reference}` }, count(at(reference, label)));
        cell.style.setProperty("--share", `${Math.round(70 * Math.sqrt(at(reference, label) / total))}%`);
        return cell;
      }));
    })));
}
