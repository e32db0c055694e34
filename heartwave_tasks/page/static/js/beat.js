// One beat beside the strip: how sure the label is, how the beat looks beside the recording's usual one, its relatives.

import { prepare } from "./canvas.js";
import { CLASSES, CLASS_NAMES, classMark, className, clock, fill, h } from "./dom.js";
import { colours, tintOf } from "./theme.js";

export function drawBeat(place, found, rate, { go, review, why = null } = {}) {
  if (!found) {
    fill(place, h("section", { class: "card" }, h("h2", {}, "Beat"), h("p", { class: "muted" }, why ?? ["Press a beat, or the key ", h("kbd", {}, "."), " for the next one."])));
    return;
  }
  const { label } = found;
  const shape = h("canvas", { class: "shape", role: "img", "aria-label": "The beat's shape over the recording's dominant beat" });
  const relatives = found.relatives.map((relative) => {
    const canvas = h("canvas", { "aria-hidden": "true" });
    const button = h("button", { type: "button", title: `At ${clock(relative.time_s, 1)}, correlation ${relative.likeness}`, onclick: () => go(relative.r_peak_sample) },
      canvas, h("span", { class: "line" }, classMark(relative.class), h("span", {}, relative.likeness.toFixed(2))));
    return { canvas, relative, button };
  });
  fill(place,
    h("section", { class: "card" },
      h("h2", {}, classMark(label.class), className(label.class), h("span", { class: "at" }, clock(label.r_peak_sample / rate, 2))),
      label.class === null ? h("p", { class: "muted small" }, "The signal shows nothing that could be classified. A person may still say what the beat is.") : odds(label),
      h("dl", { class: "pairs" },
        label.reference ? [h("dt", {}, "Reference"), h("dd", { class: disagrees(label) ? "disagrees" : null }, disagrees(label) ? `${label.reference}, disagrees` : label.reference)] : null,
        label.reviewed_by ? [h("dt", {}, "Reviewed by"), h("dd", {}, label.reviewed_by)] : null,
        h("dt", {}, "RR before"), h("dd", {}, label.rr_previous_s ? `${label.rr_previous_s.toFixed(3)} s · ${(60 / label.rr_previous_s).toFixed(0)}/min` : "–"),
        found.likeness === null ? null : [h("dt", { title: "Correlation over the 0.52 s around the R peak" }, "Like dominant beat"), h("dd", {}, found.likeness.toFixed(2))]),
      review ? h("div", { class: "relabel", role: "group", "aria-label": "Correct the label" }, CLASSES.map((name) =>
        h("button", { type: "button", class: name, "aria-pressed": String(Boolean(label.reviewed_by) && label.class === name), title: `It is ${CLASS_NAMES[name]}`, onclick: () => review(name) }, name))) : null),
    h("section", { class: "card" }, h("h2", {}, "Shape", h("span", { class: "at" }, "0.52 s")), shape,
      h("p", { class: "legend" }, h("span", {}, h("i", { class: `line-${label.class ?? "U"}` }), "this beat"), h("span", {}, h("i", { class: "line-dominant" }), "dominant beat"))),
    relatives.length ? h("section", { class: "card" }, h("h2", {}, "Nearest relatives"), h("div", { class: "relatives" }, relatives.map((one) => one.button))) : null);
  const colour = colours();
  outline(shape, 110, [[found.dominant, colour["ink-3"], 1.5, [4, 3]], [found.window, tintOf(colour, label.class), 2, []]]);
  for (const { canvas, relative } of relatives) outline(canvas, 38, [[found.window, colour["line-strong"], 1, []], [relative.window, tintOf(colour, relative.class), 1.4, []]]);
}

function disagrees(label) {
  return label.class !== null && label.reference !== label.class;
}

function odds(label) {
  return h("div", { class: "odds", role: "img", "aria-label": CLASSES.map((name) => `${CLASS_NAMES[name]} ${Math.round(100 * label[`p_${name.toLowerCase()}`])} percent`).join(", ") },
    CLASSES.map((name) => {
      const value = label[`p_${name.toLowerCase()}`];
      const bar = h("i", { class: `bar-${name}` });
      bar.style.width = `${100 * value}%`;
      return [classMark(name), h("span", { class: "track" }, bar), h("span", { class: "value" }, value >= 0.995 ? "100 %" : `${(100 * value).toFixed(1)} %`)];
    }));
}

/** Draw windows in µV over each other, all at one scale. */
export function outline(canvas, height, lines) {
  const { context, width } = prepare(canvas, height);
  const all = lines.flatMap(([values]) => values);
  if (!all.length) return;
  const low = Math.min(...all), high = Math.max(...all, low + 200);
  for (const [values, style, thick, dash] of lines) {
    context.strokeStyle = style;
    context.lineWidth = thick;
    context.setLineDash(dash);
    context.lineJoin = "round";
    context.beginPath();
    values.forEach((value, i) => {
      const x = 2 + (i / (values.length - 1)) * (width - 4), y = 4 + ((high - value) / (high - low)) * (height - 8);
      if (i) context.lineTo(x, y); else context.moveTo(x, y);
    });
    context.stroke();
  }
  context.setLineDash([]);
}

