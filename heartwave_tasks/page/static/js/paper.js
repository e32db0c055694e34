// The strip itself: an ECG on millimetre paper, its beats, runs and pauses, and the RR intervals below it.

import { font, prepare } from "./canvas.js";
import { clock } from "./dom.js";
import { colours, tintOf } from "./theme.js";

export const PIXELS_PER_MM = 96 / 25.4;
export const MM_PER_SECOND = 25;
export const UNSURE = 0.6;
const MISSING = -32768;
const LABELS = 44, LEAD = 168, RR = 84, AXIS = 22;
const LONGEST_RR = 2; // s; longer ones are drawn as arrows
const STEPS = [0.2, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400];

/** Height of the drawing with so many leads. */
export function paperHeight(leads) {
  return LABELS + LEAD * Math.max(1, leads) + RR + AXIS;
}

/**
 * Draw a view.
 * view: {start, span} in s, gain in mm/mV, selected sample; strip: what the server answered; overview: the whole recording's buckets, for views with too many beats.
 */
export function drawPaper(canvas, view, strip, overview) {
  const leads = strip?.leads ?? [];
  const { context, width } = prepare(canvas, paperHeight(leads.length || 2));
  const colour = colours();
  const x = (seconds) => ((seconds - view.start) / view.span) * width;
  const bottom = LABELS + LEAD * Math.max(1, leads.length || 2);
  drawGrid(context, colour, view, width, bottom);
  const beats = strip?.beats ?? null;
  const rate = strip?.sampling_frequency ?? 360;
  for (const minute of overview?.noisy_minutes ?? []) shadeNoise(context, colour, x(60 * minute), x(60 * (minute + 1)), width, bottom);
  if (beats) shadeBeats(context, colour, view, beats, rate, x, bottom, width);
  leads.forEach((lead, place) => {
    const top = LABELS + LEAD * place;
    drawTrace(context, place ? colour["trace-2"] : colour.trace, lead, rate, x, width, top, bottom, view.gain);
    label(context, colour, lead.name, 8, top + 14, colour.paper);
  });
  if (beats) {
    drawLabels(context, colour, view, beats, rate, x, width);
    drawEpisodes(context, colour, strip.episodes, x, width);
    drawIntervals(context, colour, beats, rate, x, bottom, width, view);
  } else if (overview) drawDensity(context, colour, overview, x, bottom, width);
  drawAxis(context, colour, view, x, bottom + RR, width);
}

/** A minute most of which cannot be classified, be it noise or fibrillation: veiled, and told where there is room. */
function shadeNoise(context, colour, from, to, width, bottom) {
  const left = Math.max(0, from), right = Math.min(width, to);
  if (right <= left) return;
  context.globalAlpha = 0.55;
  context.fillStyle = colour["line-strong"];
  context.fillRect(left, LABELS, right - left, bottom - LABELS);
  context.globalAlpha = 1;
  if (right - left > 150) label(context, colour, "cannot be classified", left + 8, bottom - 14, colour.paper);
}

function drawGrid(context, colour, view, width, bottom) {
  const perSecond = width / view.span;
  const small = perSecond / MM_PER_SECOND;
  const vertical = PIXELS_PER_MM;
  const lines = (step, offset, horizontal, limit, style) => {
    context.strokeStyle = style;
    context.lineWidth = 1;
    context.beginPath();
    for (let at = offset; at <= limit; at += step) {
      const place = Math.round(at) + 0.5;
      if (horizontal) { context.moveTo(0, place); context.lineTo(width, place); } else { context.moveTo(place, 0); context.lineTo(place, bottom); }
    }
    context.stroke();
  };
  const begin = (step) => step - ((view.start * perSecond) % step) - step;
  if (small >= 2.2) {
    lines(small, begin(small), false, width, colour["paper-fine"]);
    lines(vertical, 0, true, bottom, colour["paper-fine"]);
  }
  const seconds = small >= 0.9 ? 0.2 : STEPS.find((step) => step * perSecond >= 18) ?? 14400;
  lines(seconds * perSecond, begin(seconds * perSecond), false, width, colour["paper-bold"]);
  lines(vertical * 5, 0, true, bottom, colour["paper-bold"]);
}

function drawTrace(context, style, lead, rate, x, width, top, bottom, gain) {
  const scale = (gain * PIXELS_PER_MM) / 1000;
  const [low, baseline, high] = lead.range;
  // The usual level lies a little below the middle, unless that would cut peaks off that would fit.
  const room = (LEAD - 12 - (high - low) * scale) / 2;
  const middle = top + LEAD * 0.58;
  const centre = room < 0 ? top + LEAD / 2 + ((high + low) / 2 - baseline) * scale : Math.min(Math.max(middle, top + 6 + (high - baseline) * scale), top + LEAD - 6 - (baseline - low) * scale);
  const y = (value) => centre - (value - baseline) * scale;
  context.save();
  context.beginPath();
  context.rect(0, LABELS, width, bottom - LABELS);
  context.clip();
  context.strokeStyle = style;
  context.lineWidth = 1.25;
  context.lineJoin = "round";
  context.beginPath();
  const values = lead.values, step = lead.per_column / rate, origin = lead.start / rate;
  let drawing = false;
  if (lead.per_column === 1) {
    for (let i = 0; i < values.length; i++) {
      const at = x(origin + i * step);
      if (at < -5 || at > width + 5) { drawing = false; continue; }
      if (values[i] === MISSING) { drawing = false; continue; }
      if (drawing) context.lineTo(at, y(values[i])); else context.moveTo(at, y(values[i]));
      drawing = true;
    }
  } else {
    context.lineWidth = 1;
    for (let i = 0; i < values.length; i += 2) {
      const at = x(origin + (i / 2) * step);
      if (at < -5 || at > width + 5 || values[i] === MISSING) { drawing = false; continue; }
      const lowest = y(values[i]), highest = Math.min(y(values[i + 1]), lowest - 1);
      if (drawing) context.lineTo(at, lowest); else context.moveTo(at, lowest);
      context.lineTo(at, highest);
      drawing = true;
    }
  }
  context.stroke();
  context.restore();
}

function shadeBeats(context, colour, view, beats, rate, x, bottom, width) {
  const perSecond = width / view.span;
  for (let i = 0; i < beats.r_peak_sample.length; i++) {
    const at = x(beats.r_peak_sample[i] / rate);
    if (at < -80 || at > width + 80) continue;
    const name = beats.class[i];
    const chosen = beats.r_peak_sample[i] === view.selected;
    if (name === "N" && !chosen) continue;
    const half = Math.max(1, 0.14 * perSecond);
    context.globalAlpha = chosen ? 0.2 : 0.1;
    context.fillStyle = chosen && name === "N" ? colour.accent : tintOf(colour, name);
    context.fillRect(at - half, LABELS, half * 2, bottom - LABELS);
    context.globalAlpha = 1;
    if (chosen) {
      context.strokeStyle = context.fillStyle;
      context.strokeRect(Math.round(at - half) + 0.5, LABELS + 0.5, Math.round(half * 2), bottom - LABELS - 1);
    }
  }
}

function drawLabels(context, colour, view, beats, rate, x, width) {
  const gap = width / Math.max(1, view.span * 1.3);
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let i = 0; i < beats.r_peak_sample.length; i++) {
    const at = x(beats.r_peak_sample[i] / rate);
    if (at < -10 || at > width + 10) continue;
    const name = beats.class[i], unsure = name !== null && beats.confidence[i] < UNSURE;
    const reference = beats.reference[i], wrong = name && reference && reference !== name;
    const tint = tintOf(colour, name), letter = name ?? "?";
    if (gap > 13) {
      if (name !== "N" || beats.r_peak_sample[i] === view.selected) {
        context.fillStyle = tint;
        context.beginPath();
        context.roundRect(at - 8, 23, 16, 16, 4);
        context.fill();
        context.fillStyle = colour.paper;
      } else context.fillStyle = tint;
      context.font = font(12, 700);
      context.fillText(beats.reviewed?.[i] ? `${letter}✓` : letter, at, 31.5);
      if (unsure) {
        context.strokeStyle = colour.warn;
        context.lineWidth = 1.5;
        context.setLineDash([3, 2]);
        context.strokeRect(at - 10.5, 20.5, 21, 21);
        context.setLineDash([]);
      }
      if (wrong && gap > 24) {
        context.font = font(10.5, 650);
        context.fillStyle = colour.bad;
        context.fillText(`ref ${reference}`, at, 50);
      }
      const room = i + 1 < beats.r_peak_sample.length ? x(beats.r_peak_sample[i + 1] / rate) - at : Infinity;
      if (name && (name !== "N" || unsure) && room > 56) {
        context.font = font(10.5, 500);
        context.fillStyle = colour["ink-2"];
        context.textAlign = "left";
        context.fillText(`${Math.round(100 * beats.confidence[i])}%`, at + 13, 31.5);
        context.textAlign = "center";
      }
    } else {
      context.fillStyle = tint;
      const tall = name === "N" ? 5 : 15;
      context.fillRect(at - 0.75, 40 - tall, 1.5, tall);
      if (wrong) { context.fillStyle = colour.bad; context.fillRect(at - 1.5, 41, 3, 3); }
    }
  }
}

/** Mark couplets and runs of V, and pauses of three seconds and more, as the database knows them. */
function drawEpisodes(context, colour, episodes, x, width) {
  const mark = (from, to, text, tint, y, brief = "") => {
    const a = x(from), b = x(to);
    if (b < 0 || a > width) return;
    context.strokeStyle = tint;
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(a - 8, y + 5); context.lineTo(a - 8, y); context.lineTo(b + 8, y); context.lineTo(b + 8, y + 5);
    context.stroke();
    context.font = font(11, 650);
    let room = context.measureText(text).width;
    if (b - a + 16 < room) { text = brief; room = context.measureText(text).width; }
    if (!text || b - a + 16 < room) return;
    const middle = Math.min(Math.max((a + b) / 2, room / 2 + 4), width - room / 2 - 4);
    context.fillStyle = colour.paper;
    context.fillRect(middle - room / 2 - 4, y - 7, room + 8, 14);
    context.fillStyle = tint;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(text, middle, y);
  };
  for (const { kind, start_s: start, end_s: end, length_s: length, n_beats: n, rate_bpm: rate } of episodes ?? []) {
    if (kind === "pause") mark(start, end, `pause ${length.toFixed(1)} s`, colour.warn, 11, `${length.toFixed(1)} s`);
    else if (kind === "run") mark(start, end, `run of ${n} · ${Math.round(rate)}/min`, colour.v, 11, `run of ${n}`);
    else mark(start, end, "couplet", colour.v, 11);
  }
}

function rrScale(top) {
  const low = 0.25;
  return (rr) => top + RR - 8 - ((Math.min(Math.max(rr, low), LONGEST_RR) - low) / (LONGEST_RR - low)) * (RR - 16);
}

function drawIntervals(context, colour, beats, rate, x, top, width, view) {
  const y = rrFrame(context, colour, top, width);
  context.strokeStyle = colour["line-strong"];
  context.lineWidth = 1;
  context.beginPath();
  let begun = false;
  for (let i = 0; i < beats.r_peak_sample.length; i++) {
    const rr = beats.rr_previous_s[i];
    if (rr === null) { begun = false; continue; }
    const at = x(beats.r_peak_sample[i] / rate);
    if (begun) context.lineTo(at, y(rr)); else context.moveTo(at, y(rr));
    begun = true;
  }
  context.stroke();
  const radius = view.span > 120 ? 1.6 : view.span > 40 ? 2.2 : 3;
  for (let i = 0; i < beats.r_peak_sample.length; i++) {
    const rr = beats.rr_previous_s[i];
    if (rr === null) continue;
    const at = x(beats.r_peak_sample[i] / rate);
    context.fillStyle = tintOf(colour, beats.class[i]);
    context.beginPath();
    if (rr > LONGEST_RR) { context.moveTo(at, y(rr) - 5); context.lineTo(at + 4, y(rr) + 3); context.lineTo(at - 4, y(rr) + 3); } else context.arc(at, y(rr), radius, 0, 7);
    context.fill();
  }
  rrTitle(context, colour, top);
}

function rrFrame(context, colour, top, width) {
  const y = rrScale(top);
  context.fillStyle = colour.surface;
  context.fillRect(0, top, width, RR);
  context.strokeStyle = colour.line;
  context.lineWidth = 1;
  for (const rr of [0.5, 1, 1.5, 2]) {
    const at = Math.round(y(rr)) + 0.5;
    context.beginPath(); context.moveTo(0, at); context.lineTo(width, at); context.stroke();
    context.font = font(10, 500);
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = colour["ink-3"];
    if (rr < 2) context.fillText(`${rr}`, width - 6, at - 6);
  }
  return y;
}

function rrTitle(context, colour, top) {
  label(context, colour, "RR, s", 8, top + 13, colour.surface);
}

function drawDensity(context, colour, overview, x, top, width) {
  const y = rrFrame(context, colour, top, width);
  const tops = { s: 16, v: 25, f: 34 };
  for (let i = 0; i < overview.bucket.length; i++) {
    const from = x(overview.bucket[i] * overview.bucket_s), to = x((overview.bucket[i] + 1) * overview.bucket_s);
    if (to < 0 || from > width) continue;
    const wide = Math.max(1, to - from + 0.3);
    if (overview.rr_mean[i] !== null) {
      context.fillStyle = colour["n-bar"];
      context.globalAlpha = 0.55;
      context.fillRect(from, y(overview.rr_high[i]), wide, Math.max(1, y(overview.rr_low[i]) - y(overview.rr_high[i])));
      context.globalAlpha = 1;
      context.fillStyle = colour.ink;
      context.fillRect(from, y(overview.rr_mean[i]) - 0.75, wide, 1.5);
    }
    for (const name of ["s", "v", "f"]) {
      if (!overview[name][i]) continue;
      context.globalAlpha = 0.35 + 0.65 * Math.min(1, (3 * overview[name][i]) / overview.n[i]);
      context.fillStyle = colour[name];
      context.fillRect(from, tops[name] - 8, wide, 7);
      context.globalAlpha = 1;
    }
  }
  for (const [name, at] of Object.entries(tops)) label(context, colour, name.toUpperCase(), 6, at - 4, colour.paper, 9);
  rrTitle(context, colour, top);
}

function drawAxis(context, colour, view, x, top, width) {
  context.fillStyle = colour.surface;
  context.fillRect(0, top, width, AXIS);
  context.strokeStyle = colour["line-strong"];
  context.fillStyle = colour["ink-2"];
  context.font = font(11, 500);
  context.textBaseline = "middle";
  context.textAlign = "left";
  const step = STEPS.find((seconds) => (seconds / view.span) * width >= 70) ?? 14400;
  for (let at = Math.ceil(view.start / step) * step; at <= view.start + view.span; at += step) {
    const place = Math.round(x(at)) + 0.5;
    context.beginPath(); context.moveTo(place, top); context.lineTo(place, top + 6); context.stroke();
    if (place < width - 42) context.fillText(clock(at, step < 1 ? 1 : 0), place + 4, top + 11);
  }
}

function label(context, colour, text, left, top, ground, size = 12) {
  context.font = font(size, 650);
  context.textAlign = "left";
  context.textBaseline = "middle";
  const wide = context.measureText(text).width;
  context.globalAlpha = 0.85;
  context.fillStyle = ground;
  context.fillRect(left - 4, top - 0.75 * size, wide + 8, 1.5 * size);
  context.globalAlpha = 1;
  context.fillStyle = colour["ink-2"];
  context.fillText(text, left, top);
}
