// The whole recording at a glance: heart rate, ectopic beats, and where the view is.

import { font, prepare } from "./canvas.js";
import { clock } from "./dom.js";
import { colours } from "./theme.js";

const HEIGHT = 78;

export function drawGlance(canvas, view, overview, duration) {
  const { context, width } = prepare(canvas, HEIGHT);
  const colour = colours();
  const x = (seconds) => (seconds / duration) * width;
  const y = (bpm) => 46 - ((Math.min(Math.max(bpm, 30), 180) - 30) / 150) * 40;
  if (overview) {
    context.fillStyle = colour["line-strong"];
    context.globalAlpha = 0.6;
    for (const minute of overview.noisy_minutes) context.fillRect(x(60 * minute), 0, Math.max(1, x(60)), 48);
    context.globalAlpha = 1;
    const wide = Math.max(1, x(overview.bucket_s) + 0.4);
    for (let i = 0; i < overview.bucket.length; i++) {
      const at = x(overview.bucket[i] * overview.bucket_s);
      if (2 * overview.none[i] > overview.n[i]) {
        context.globalAlpha = 0.6;
        context.fillStyle = colour["line-strong"];
        context.fillRect(at, 0, wide, 48);
        context.globalAlpha = 1;
      }
      if (overview.rr_mean[i]) {
        const fast = y(60 / Math.max(0.2, overview.rr_low[i])), slow = y(60 / overview.rr_high[i]);
        context.globalAlpha = 0.45;
        context.fillStyle = colour["n-bar"];
        context.fillRect(at, fast, wide, Math.max(1, slow - fast));
        context.globalAlpha = 1;
        context.fillStyle = colour["ink-2"];
        context.fillRect(at, y(60 / overview.rr_mean[i]) - 0.75, wide, 1.5);
      }
      const row = (name, top) => {
        if (!overview[name][i]) return;
        context.globalAlpha = 0.3 + 0.7 * Math.min(1, (3 * overview[name][i]) / overview.n[i]);
        context.fillStyle = colour[name];
        context.fillRect(at, top, wide, 8);
        context.globalAlpha = 1;
      };
      row("s", 51);
      row("v", 64);
    }
  }
  context.font = font(10, 500);
  context.textBaseline = "middle";
  context.fillStyle = colour["ink-3"];
  context.textAlign = "left";
  for (const [text, at] of [["/min", 9], ["S", 55], ["V", 68]]) written(context, colour, text, 6, at);
  context.textAlign = "right";
  for (const [text, at] of [["60", y(60)], ["120", y(120)], [clock(duration), 9]]) written(context, colour, text, width - 5, at);
  const left = x(view.start), right = Math.max(left + 3, x(view.start + view.span));
  context.fillStyle = colour.shade;
  context.fillRect(left, 0, right - left, HEIGHT);
  context.strokeStyle = colour.accent;
  context.lineWidth = 1.5;
  context.strokeRect(left + 0.5, 0.75, right - left - 1, HEIGHT - 1.5);
}

/** Text on a ground of its own, so that what lies below does not run through it. */
function written(context, colour, text, x, y) {
  const room = context.measureText(text).width;
  context.globalAlpha = 0.85;
  context.fillStyle = colour.surface;
  context.fillRect(context.textAlign === "right" ? x - room - 3 : x - 3, y - 6, room + 6, 12);
  context.globalAlpha = 1;
  context.fillStyle = colour["ink-2"];
  context.fillText(text, x, y);
}
