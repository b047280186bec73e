// Elements are made, never parsed: text of a submitter can only become text.
function make(space, tag, attributes, ...children) {
  const node = space ? document.createElementNS(space, tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "fill" || name.startsWith("--")) node.style.setProperty(name, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) node.append(child);
  return node;
}
const el = (tag, attributes, ...children) => make(null, tag, attributes, ...children);
const svg = (tag, attributes, ...children) => make("http://www.w3.org/2000/svg", tag, attributes, ...children);
const byId = (id) => document.getElementById(id);
const fill = (node, ...children) => node.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
const number = (value, digits = 4) => (value === null || value === undefined ? "" : value.toFixed(digits).replace("-", "−"));
const signed = (value, digits = 4) => (value >= 0 ? "+" : "−") + Math.abs(value).toFixed(digits);
const percent = (value) => (100 * value).toFixed(1) + " %";
const words = (name) => name.replaceAll("_", " ").replaceAll("-", " ");
const counted = (n) => `${n} ${n === 1 ? "router" : "routers"}`;
const bidi = (text) => el("bdi", {}, text);

const tip = byId("tip");
function showTip(text, x, y) {
  tip.textContent = text;
  tip.hidden = false;
  const box = tip.getBoundingClientRect();
  tip.style.left = Math.max(6, Math.min(x + 14, innerWidth - box.width - 8)) + "px";
  tip.style.top = Math.max(6, y + 18 + box.height > innerHeight ? y - box.height - 12 : y + 18) + "px";
}
const hideTip = () => { tip.hidden = true; };
// Attributes of a mark that explains itself to a mouse, a keyboard and a screen reader.
function hinted(text, enter, leave) {
  const show = (x, y) => { showTip(text, x, y); if (enter) enter(); };
  const hide = () => { hideTip(); if (leave) leave(); };
  return { "aria-label": text.replaceAll("\n", ", "), onmousemove: (e) => show(e.clientX, e.clientY), onmouseleave: hide, onblur: hide,
    onfocus: (e) => { const box = e.target.getBoundingClientRect(); show(box.right, box.top); } };
}

// Linear scale with ticks at round figures.
function scale(low, high, from, to) {
  if (!(high > low)) { low -= 0.5; high += 0.5; }
  const at = (value) => from + ((value - low) / (high - low)) * (to - from);
  const raw = (high - low) / 5, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw);
  at.ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9; k++) at.ticks.push(k * step);
  at.digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return at;
}
function axes(x, y, w, h, pad, xName, yName) {
  return [
    ...x.ticks.map((v) => svg("g", {}, svg("line", { class: "axis", x1: x(v), x2: x(v), y1: pad.top, y2: h - pad.bottom }),
      svg("text", { x: x(v), y: h - pad.bottom + 16, "text-anchor": "middle" }, v.toFixed(x.digits)))),
    ...y.ticks.map((v) => svg("g", {}, svg("line", { class: "axis", x1: pad.left, x2: w - pad.right, y1: y(v), y2: y(v) }),
      svg("text", { x: pad.left - 6, y: y(v) + 4, "text-anchor": "end" }, v.toFixed(y.digits)))),
    svg("text", { class: "label", x: (pad.left + w - pad.right) / 2, y: h - 4, "text-anchor": "middle" }, xName),
    svg("text", { class: "label", x: pad.left - 34, y: pad.top - 8 }, yName)];
}
const path = (points) => points.map(([x, y], i) => (i ? "L" : "M") + x.toFixed(1) + " " + y.toFixed(1)).join("");
const sized = (node, height) => { const w = Math.max(300, Math.min(node.clientWidth || 560, 720)); return [w, Math.round(height || Math.min(360, w * 0.72))]; };
