// Models: every version under every protocol, two of them side by side, and the report of each.

import { CLASSES, CLASS_NAMES, classMark, count, fill, h, moment } from "./dom.js";
import { get } from "./server.js";

const PROTOCOLS = { patient_folds: ["Patients never seen", "every patient tested once by a model that has not seen them; the champion is chosen here"], inter_patient: ["DS1 → DS2", "MIT-BIH’s usual division by patients, to compare with the literature"], random_beats: ["Random beats", "beats of one patient on both sides: for comparison with older papers only"] };

export async function showModels(place, parameters) {
  const found = await get("models");
  const versions = [...new Set(found.evaluations.map((row) => row.model_version))].sort((a, b) => b - a);
  if (!versions.length) {
    fill(place, h("div", { class: "head" }, h("h1", {}, "Models")), h("div", { class: "card empty" }, h("strong", {}, "No model yet"), "Trigger retrain_models in Airflow, or wait for Sunday night."));
    return;
  }
  const champion = found.champion?.model_version ?? versions[0];
  const chosen = { left: Number(parameters.get("left")) || champion, right: Number(parameters.get("right")) || versions.find((version) => version !== champion) || champion };
  const comparison = h("div", {});
  const pick = (side) => {
    const select = h("select", { "aria-label": `${side} version`, onchange: () => { chosen[side] = Number(select.value); compare(); } }, versions.map((version) => h("option", { value: version }, `version ${version}${version === champion ? " (champion)" : ""}`)));
    select.value = chosen[side];
    return select;
  };
  fill(place,
    h("div", { class: "head" }, h("div", {}, h("h1", {}, "Models"), h("p", { class: "sub" }, `${versions.length} ${versions.length === 1 ? "version" : "versions"}; version ${champion} labels tonight`)),
      h("div", { class: "actions" }, h("a", { class: "button", href: airflow("/dags/retrain_models"), target: "_top" }, "Retrain in Airflow"))),
    Object.keys(PROTOCOLS).filter((name) => found.evaluations.some((row) => row.protocol === name)).map((name) => leaderboard(name, found)),
    found.champion ? h("p", { class: "muted small reason" }, `Promoted ${moment(found.champion.promoted_at)} by ${found.champion.promoted_by}: ${found.champion.reason}`) : null,
    h("section", { class: "card compare" }, h("h2", {}, "Side by side ", h("span", { class: "at" }, pick("left"), " ", pick("right"))), comparison));
  compare();

  function compare() {
    const sides = versions.length > 1 ? [chosen.left, chosen.right] : [chosen.left];
    fill(comparison, h("div", { class: "sides" }, sides.map((version) => {
      const row = found.evaluations.find((one) => one.model_version === version && one.protocol === "patient_folds") ?? found.evaluations.find((one) => one.model_version === version);
      return h("div", {}, h("h3", {}, `Version ${version} `, h("span", { class: "muted" }, `${row.architecture} · ${PROTOCOLS[row.protocol]?.[0] ?? row.protocol}`)), matrix(row.confusion));
    })));
  }
}

function airflow(path) {
  return new URL(`../../..${path}`, import.meta.url).pathname;
}

function leaderboard(protocol, found) {
  const rows = found.evaluations.filter((row) => row.protocol === protocol);
  const [title, told] = PROTOCOLS[protocol];
  const figure = (row, name) => found.classes.find((one) => one.model_version === row.model_version && one.protocol === protocol && one.class === name);
  const share = (value) => value === null || value === undefined ? "–" : (100 * value).toFixed(1);
  return h("section", { class: "card table hover" },
    h("div", { class: "caption" }, h("h2", {}, title), h("p", { class: "muted" }, told)),
    h("table", {}, h("thead", {}, h("tr", {}, ["", "Version", "N/S/V mean F1", "Accuracy", "S Se / +P", "V Se / +P", "F Se / +P", "κ", "Calibration error", "Test beats", "Trained", "Report"].map((name, at) => h("th", { scope: "col", class: at > 1 && at < 10 ? "num" : null }, name || h("span", { class: "sr" }, "Place"))))),
      h("tbody", {}, rows.map((row) => h("tr", {},
        h("td", { class: "muted" }, row.place),
        h("th", { scope: "row" }, h("strong", {}, `${row.model_version}`), h("span", { class: "lead" }, row.architecture), " ", row.is_champion ? h("span", { class: "chip accent" }, "champion") : null),
        h("td", { class: "num strong" }, share(row.nsv_mean_f1)), h("td", { class: "num" }, share(row.accuracy)),
        ["S", "V", "F"].map((name) => { const one = figure(row, name); return h("td", { class: "num" }, `${share(one?.sensitivity)} / ${share(one?.positive_predictivity)}`); }),
        h("td", { class: "num" }, row.cohen_kappa === null ? "–" : row.cohen_kappa.toFixed(3)), h("td", { class: "num" }, row.ece === null ? "–" : row.ece.toFixed(3)), h("td", { class: "num" }, count(row.n_beats)),
        h("td", { class: "muted" }, moment(row.evaluated_at)),
        h("td", {}, h("a", { href: `data/models/${row.model_version}/report`, target: "report" }, "Report")))))));
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
