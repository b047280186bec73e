// Elements are made, never parsed: text of a submitter can only become text.
function make(space, tag, attributes, ...children) {
  const node = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (["fill", "stroke"].includes(name) || name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...present(children));
  return node;
}
const missing = (value) => value === null || value === undefined;
const present = (children) => children.flat(Infinity).filter((c) => !missing(c) && c !== false);
const el = (tag, attributes, ...children) => make(null, tag, attributes, ...children);
const svg = (tag, attributes, ...children) => make("http://www.w3.org/2000/svg", tag, attributes, ...children);
const byId = (id) => document.getElementById(id);
const fill = (node, ...children) => node.replaceChildren(...present(children));

// Figures; what rounds to 0 has no sign.
const figure = (value, digits, plus) => { const text = Math.abs(value).toFixed(digits); return (Number(text) === 0 ? "" : value < 0 ? "−" : plus) + text; };
const number = (value, digits = 4) => (missing(value) ? "–" : figure(value, digits, ""));
const signed = (value, digits = 4) => (missing(value) ? "–" : figure(value, digits, "+"));
// Gains are told in points: a point is a hundredth of RCS. An interval has no more digits than it can bear.
const borne = (low, high) => (missing(low) || missing(high) || high - low >= 0.01 ? 1 : 2);
const points = (gain, digits = 1) => (missing(gain) ? "–" : signed(100 * gain, digits));
const between = (low, high) => `[${points(low, borne(low, high))}, ${points(high, borne(low, high))}]`;
const gained = (r) => points(r.gain, borne(r.gainLow, r.gainHigh));
const ofRcs = (low, high) => (missing(low) || missing(high) ? 3 : high - low >= 0.04 ? 2 : high - low >= 0.004 ? 3 : 4);
const percent = (value) => (100 * value).toFixed(1) + " %";
const words = (name) => name.replaceAll("_", " ").replaceAll("-", " ");
const titled = (track) => (track.includes("--") ? track.replace("--", " → ") : words(track));
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const counted = (n, one = "router") => `${n} ${n === 1 ? one : one.replace(/y$/, "ie") + "s"}`;
const bidi = (text) => el("bdi", {}, text);
const later = (action, ms) => { let timer; return () => { clearTimeout(timer); timer = setTimeout(action, ms); }; };
const th = (text, name) => el("th", { scope: "col", class: name ? "name" : null }, text);
// A scrolling box that a keyboard reaches and a screen reader can name.
const scrolling = (label, table) => el("div", { class: "scroll", tabindex: 0, role: "region", "aria-labelledby": label }, table);

const tip = byId("tip");
let follow = null; // puts the tip of a focused mark back to its place when the page scrolls
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(6, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
  tip.style.top = Math.max(6, y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18) + "px";
}
function tipAt(node, text) {
  follow = () => { const box = node.getBoundingClientRect(); showTip(text, box.right, box.top); };
  follow();
}
const hideTip = () => { tip.hidden = true; follow = null; };
addEventListener("scroll", () => (follow ? follow() : hideTip()), { passive: true, capture: true });

// Linear scale with ticks at round figures.
function scale(low, high, from, to) {
  if (!(high > low)) { low -= 0.5; high += 0.5; }
  const at = (value) => from + ((value - low) / (high - low)) * (to - from);
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw * 0.95);
  at.ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k++) at.ticks.push(k * step);
  at.digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return at;
}
// A range of at least `least`: what hardly differs must not look like a cliff.
function atLeast(low, high, least) {
  const more = Math.max(0, least - (high - low)) / 2;
  return [low - more, high + more];
}
function axes(x, y, { w, h, left, right, top, bottom }, xName, yName) {
  return [
    ...x.ticks.map((v) => svg("g", {}, svg("line", { class: "axis", x1: x(v), x2: x(v), y1: top, y2: h - bottom }),
      svg("text", { x: x(v), y: h - bottom + 16, "text-anchor": "middle" }, number(v, x.digits)))),
    ...y.ticks.map((v) => svg("g", {}, svg("line", { class: "axis", x1: left, x2: w - right, y1: y(v), y2: y(v) }),
      svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, number(v, y.digits)))),
    svg("text", { class: "label", x: (left + w - right) / 2, y: h - 4, "text-anchor": "middle" }, xName),
    svg("text", { class: "label", x: left - 34, y: top - 8 }, yName)];
}
const path = (points) => points.map(([x, y], i) => (i ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1)).join("");
function framed(node, top = 26) {
  const w = Math.max(300, Math.min(node.clientWidth || 560, 720));
  return { w, h: Math.round(Math.min(360, w * 0.72)), left: 46, right: 18, top, bottom: 44 };
}
// Where the pointer is, in units of the drawing.
function pointed(event, node, { w }) {
  const box = node.getBoundingClientRect(), k = w / box.width;
  return [(event.clientX - box.left) * k, (event.clientY - box.top) * k];
}

// A drawing that is read along x, by pointer or as a slider by arrow keys. points: [[x, text], ...] from left to right.
function readAlong(frame, label, points, ...children) {
  const line = svg("line", { class: "reading", y1: frame.top, y2: frame.h - frame.bottom, visibility: "hidden" });
  let at = 0;
  const go = (i) => {
    at = Math.max(0, Math.min(points.length - 1, i));
    const [x, text] = points[at];
    for (const [name, value] of Object.entries({ x1: x, x2: x, visibility: "visible" })) line.setAttribute(name, value);
    node.setAttribute("aria-valuenow", at);
    node.setAttribute("aria-valuetext", text.replaceAll("\n", ", "));
    return text;
  };
  const leave = () => { line.setAttribute("visibility", "hidden"); hideTip(); };
  const KEYS = new Map([["ArrowRight", 1], ["ArrowUp", 1], ["ArrowLeft", -1], ["ArrowDown", -1], ["PageUp", 10], ["PageDown", -10], ["Home", -Infinity], ["End", Infinity]]);
  const node = svg("svg", { viewBox: `0 0 ${frame.w} ${frame.h}`, role: "slider", tabindex: 0, "aria-label": label, "aria-valuemin": 0, "aria-valuemax": points.length - 1,
    onmousemove: (e) => {
      const [x] = pointed(e, node, frame), off = points.map((p) => Math.abs(p[0] - x));
      showTip(go(off.indexOf(Math.min(...off))), e.clientX, e.clientY);
    },
    onkeydown: (e) => { if (KEYS.has(e.key)) { e.preventDefault(); tipAt(line, go(at + KEYS.get(e.key))); } },
    onfocus: () => { if (node.matches(":focus-visible")) tipAt(line, go(at)); }, onmouseleave: leave, onblur: leave }, ...children, line);
  go(0);
  leave();
  return node;
}
