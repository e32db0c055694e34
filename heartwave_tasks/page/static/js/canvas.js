// Canvases as sharp as the screen.

/** Size a canvas to its box and a height in CSS pixels; returns its context, scaled so that units are CSS pixels. */
export function prepare(canvas, height) {
  const ratio = Math.min(devicePixelRatio || 1, 3);
  const width = Math.max(1, canvas.clientWidth);
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.style.height = `${height}px`;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** A font of the page's family for text in canvases. */
export function font(size, weight = 500) {
  return `${weight} ${size}px ${getComputedStyle(document.documentElement).getPropertyValue("--sans")}`;
}
