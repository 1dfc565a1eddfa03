"use strict";
// The page of a report: steps through both sweeps of a function. The data are made by page.py, which says what they are.
//
// A *frame* is one step: the value or the line of the reverse sweep that is made in it. `render` draws the frame at
// `at`, and nothing else changes the page. A derivative along a seed is the sum of those along the directions, each
// times its weight: `combined`.

const data = JSON.parse(document.getElementById("data").textContent);
const { values, steps, boxes, edges } = data;
const forward = values.map((_, value) => ({ value }));
const frames = { forward, reverse: [...forward, ...steps.map((_, step) => ({ step }))] };
const weights = { forward: [...data.forward.weights], reverse: [...data.reverse.weights] };
const firstResult = values.length - data.results;
const boxOf = new Map(boxes.flatMap((box, k) => box.members.map((value) => [value, k])));
const arrivals = values.map(() => []); // for each value the steps of the reverse sweep that add to its adjoint
steps.forEach(({ target }, s) => arrivals[target].push(s));
let mode = "forward";
let at = 0; // so many frames are done; the last one of them is shown
let timer = null;

const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------- numbers
// A number of the data is a number, or "NaN" or "Infinity", or an array as its shape and its elements in order, or
// a large array as its shape and its norm.

function unpacked(x) {
  if (typeof x === "object") {
    return { shape: x.shape, re: x.re.map(Number), im: x.im?.map(Number), norm: x.norm === undefined ? undefined : Number(x.norm) };
  }
  return { shape: [], re: [Number(x)] };
}

// The sum of arrays of one shape, each times its weight. What weighs nothing is left out: 0 * Infinity is not 0.
function combined(packs, by) {
  const terms = packs.map((pack, k) => [unpacked(pack), by[k]]).filter(([, weight]) => weight !== 0);
  const { shape, re, im, norm } = unpacked(packs[0]);
  if (norm !== undefined) return { shape, re, norm: by[0] === 0 ? 0 : Math.abs(by[0]) * norm }; // of one direction
  const add = (part) => re.map((_, i) => terms.reduce((sum, [x, weight]) => sum + weight * x[part][i], 0));
  return { shape, re: add("re"), im: im && add("im") };
}

function number(x, digits) {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "nan" : x < 0 ? "−inf" : "inf";
  return String(Number(x.toPrecision(digits)) + 0).replaceAll("-", "−");
}

function element({ re, im }, i, digits) {
  if (!im) return number(re[i], digits);
  return number(re[i], digits) + (im[i] < 0 ? " − " : " + ") + number(Math.abs(im[i]), digits) + "j";
}

// The elements of an array in its brackets.
function nested(x, say, shape = x.shape, from = 0) {
  if (shape.length === 0) return say(from);
  const size = shape.slice(1).reduce((product, n) => product * n, 1);
  return `[${Array.from({ length: shape[0] }, (_, i) => nested(x, say, shape.slice(1), from + i * size)).join(", ")}]`;
}

// A value on one line: numbers and short vectors themselves, other arrays by shape and norm.
function brief(x, digits = x.shape?.length ? 3 : 6, most = 0) {
  if (typeof x === "string") return x;
  const short = x.shape.length < 2 ? x.re.length <= Math.max(4, most) : x.re.length <= most;
  if (short && x.norm === undefined) return nested(x, (i) => element(x, i, digits));
  const norm = x.norm ?? Math.sqrt([...x.re, ...(x.im ?? [])].reduce((sum, part) => sum + part * part, 0));
  return `${x.shape.join("×")}, norm ${number(norm, digits + 1)}`;
}

// All digits, for the tooltip of what is shown.
function exact(x) {
  if (typeof x === "string") return x;
  if (x.norm !== undefined || x.re.length > 100) return brief(x, 16);
  return nested(x, (i) => (x.im ? `${x.re[i]}${x.im[i] < 0 ? "" : "+"}${x.im[i]}j` : String(x.re[i])));
}

// ---------------------------------------------------------------- what is known at the frame
const primal = (k) => (values[k].kind === "constant" ? values[k].primal : unpacked(values[k].primal));
const tangent = (k) => (values[k].tangents.length ? combined(values[k].tangents, weights.forward) : null);

// The adjoint of a value when `done` frames are done: what has arrived so far, and whether that is all.
function adjoint(k, done = at) {
  if (done <= values.length) return null;
  if (k >= firstResult) return seedOf(k);
  const step = steps[arrivals[k].findLast((s) => s < done - values.length)];
  return step ? { x: combined(step.adjoint, weights.reverse), whole: step.part === step.parts } : null;
}

// The seed of a result, as its first step takes it.
function seedOf(k) {
  const step = steps.find((each) => each.sources[0] === k);
  return step ? { x: combined(step.arriving, weights.reverse), whole: true } : null;
}

const hasDerivative = (k) => (mode === "forward" ? k < at && values[k].tangents.length > 0 : adjointArrived(k));
const adjointArrived = (k) => at > values.length && (k >= firstResult ? seedOf(k) !== null : arrivals[k][0] < at - values.length);

function derivative(k) {
  if (mode === "reverse") return adjoint(k);
  const x = k < at ? tangent(k) : null;
  return x && { x, whole: true };
}

// ---------------------------------------------------------------- formulas
function made(tag, className, ...content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...content);
  return node;
}

const plain = (pieces) => pieces.map((p) => (typeof p === "string" ? p : p[0] + p[1] + { "": "", ".": "_dot", "~": "_bar" }[p[2]])).join("");

// The name of a value; the mark stands over its letters, not over the path behind them: of x[0] over the x.
function nameNode([letters, below, mark]) {
  const [, word, path] = letters.match(/^(\w*)(.*)$/s);
  const accent = { "": "", ".": "dot", "~": "bar" }[mark];
  const tall = /[^acegmnopqrsuvwxyz]/.test(word) ? " tall" : "";
  const node = made("span", `name${tall}`, made("i", accent, word), path);
  if (below) node.append(made("sub", "", below.replace("-", "−")));
  return node;
}

// Text between names, as mathematics is set: a minus sign, a dot for a product, raised powers.
function textNodes(text) {
  return text.split(/\*\*(\d+(?:\.\d+)?)/).map((part, i) =>
    i % 2 ? made("sup", "", part) : part.replaceAll(" * ", " · ").replace(" ... ", " … ").replace(/(^|[ (\[])-(?=[ \d.(]|$)/g, "$1−"));
}

const formula = (pieces) => pieces.flatMap((piece) => (typeof piece === "string" ? textNodes(piece) : [nameNode(piece)]));

// The same formula with numbers for names, null where it has none; large arrays are said by their shapes.
function filled(pieces, numberOf) {
  if (pieces.every((piece) => typeof piece === "string")) return null;
  return pieces.flatMap((piece, i) => {
    if (typeof piece === "string") return textNodes(piece);
    const x = piece[3] === null ? null : numberOf(piece);
    if (x === null) return [nameNode(piece)];
    if (x.shape?.length > 1 || x.shape?.[0] > 4) return [`(${x.shape.join("×")})`];
    const text = brief(x);
    const next = pieces[i + 1];
    const inside = i > 0 || (typeof next === "string" && next.startsWith("**"));
    return [inside && /^−| [+−] /.test(text) && x.shape.length === 0 ? `(${text})` : text];
  });
}

// ---------------------------------------------------------------- frames in words
function current() {
  return at === 0 ? null : frames[mode][at - 1];
}

// The lines of a frame: [left side, right side, the right side in numbers, the result, whether it is a derivative].
function linesOf({ value: k, step: s }) {
  if (s !== undefined) {
    const { target, right, adjoint: after } = steps[s];
    const before = (piece) => (piece[2] === "~" ? adjoint(piece[3], at - 1) ?? seedOf(piece[3]) : { x: primal(piece[3]) })?.x ?? null;
    return [[marked(values[target].name, "~"), right, filled(right, before), combined(after, weights.reverse), true]];
  }
  const v = values[k];
  const lines = [[v.name, v.expression, filled(v.expression, (piece) => primal(piece[3])), primal(k), false]];
  if (mode === "forward" && v.tangents.length) {
    const numberOf = (piece) => (piece[2] === "." ? tangent(piece[3]) : primal(piece[3]));
    const seed = v.kind === "input" ? null : filled(v.rule, numberOf);
    lines.push([marked(v.name, "."), v.rule, seed, tangent(k), true]);
  }
  return lines;
}

const marked = ([letters, below, , k], mark) => [letters, below, mark, k];
const ordinal = (n) => ["", "first", "second", "third", "fourth", "fifth", "sixth"][n] ?? `${n}th`;

// A frame in words, as texts and names.
function about(frame) {
  if (frame === null) {
    return mode === "forward"
      ? ["Nothing is computed yet. Values and tangents will be made side by side, from the inputs on."]
      : ["Nothing is computed yet. Reverse mode first runs the function, then goes back."];
  }
  if (frame.step !== undefined) return aboutStep(steps[frame.step]);
  const { kind, op } = values[frame.value];
  if (kind === "input") return [mode === "forward" ? "An input. Its tangent is the seed." : "An input."];
  if (kind === "output") return ["What the function returns."];
  if (kind === "constant") return [`${op}: no derivative flows through it.`];
  return [mode === "forward" ? `${op}: the value, and its tangent from those of what it reads.` : `${op}: on the way forward only the value.`];
}

function aboutStep({ part, parts, sources, right }) {
  if (sources[0] >= firstResult) return ["The sweep back begins with the seed."];
  const share = parts === 1 ? "All of this adjoint arrives at once." : `The ${ordinal(part)} of ${parts} parts of this adjoint${part > 1 ? ", added to what had arrived" : ""}.`;
  const read = right.filter((piece) => piece[3] >= 0 && piece[2] === "").map((piece) => piece[0] + piece[1]);
  const kept = [...new Set(read)].map((name) => values.find((v) => v.name[0] + v.name[1] === name).name);
  if (!kept.length) return [share];
  return [`${share} It reads `, ...kept.flatMap((name, i) => [...(i ? [", "] : []), nameNode(name)]), ", kept from the way forward."];
}

// ---------------------------------------------------------------- drawing, once
const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  return node;
}

// The tip of a line: at its end going down, at its start going up.
function tip(path, up) {
  const n = path.match(/-?[\d.]+/g).map(Number);
  const [x, y] = up ? n.slice(0, 2) : n.slice(-2).map((c, i) => (i ? c + 6 : c));
  const base = up ? y + 8 : y - 8;
  return `M${x - 4.5} ${base}L${x} ${y}L${x + 4.5} ${base}Z`;
}

function drawGraph() {
  const canvas = made("div", "canvas");
  canvas.style.width = `${data.width}px`;
  canvas.style.height = `${data.height}px`;
  const lines = svg("svg", { width: data.width, height: data.height, "aria-hidden": "true" });
  for (const edge of edges) {
    edge.line = svg("path", { class: "edge", d: edge.path });
    edge.tip = svg("path", { class: "tip", d: tip(edge.path, false) });
    lines.append(edge.line, edge.tip);
  }
  flows = svg("g", {});
  lines.append(flows);
  canvas.append(lines);
  for (const box of boxes) {
    box.primal = made("span", "number");
    box.dual = made("span", "number");
    box.word = made("small", "");
    box.valueWord = made("small", "", "value");
    box.title = made("div", "title", made("span", "", ...formula(box.title)));
    box.derivative = made("div", "derivative", box.word, box.dual);
    box.node = made("div", `node ${box.kind}`, box.title, ...box.fold.map((text) => made("div", "", made("small", "", text))));
    box.node.append(made("div", "", box.valueWord, box.primal), box.derivative);
    Object.assign(box.node, { id: box.id, title: box.full });
    Object.assign(box.node.style, { left: `${box.x}px`, top: `${box.y}px`, width: `${box.w}px`, height: `${box.h}px` });
    canvas.append(box.node);
    squeeze(box.title.firstChild, box.w - 24);
  }
  $("graph").replaceChildren(canvas);
  $("folding").textContent = data.folding ? `${data.folding}.` : "";
}
let flows;

// What a frame makes, as the table says it: [left side, right side, the number along the seed].
function cellsOf({ value: k, step: s }) {
  if (s !== undefined) {
    const { target, right, adjoint: after } = steps[s];
    return [[marked(values[target].name, "~"), right, () => combined(after, weights.reverse)]];
  }
  const { name, expression, rule, tangents } = values[k];
  const cells = [[name, expression, () => primal(k)]];
  if (mode === "forward" && tangents.length) cells.push([marked(name, "."), rule, () => tangent(k)]);
  return cells;
}

function drawTable() {
  const heads = mode === "forward" ? ["value", "", "tangent", ""] : ["forward: values; back: adjoints", ""];
  const body = made("tbody", "");
  frames[mode].forEach((frame, k) => {
    const cells = cellsOf(frame);
    frame.results = cells.map(([, , x]) => ({ node: made("td", ""), x }));
    frame.row = made("tr", frame.step === undefined ? "" : "sweep");
    cells.forEach(([left, right], i) => frame.row.append(made("td", "", nameNode(left), " = ", ...formula(right)), frame.results[i].node));
    for (let i = cells.length; 2 * i < heads.length; i++) frame.row.append(made("td", ""), made("td", ""));
    frame.row.addEventListener("click", () => go(k + 1));
    body.append(frame.row);
  });
  $("trace").replaceChildren(made("table", "", made("thead", "", made("tr", "", ...heads.map((head) => made("th", "", head)))), body));
  stack();
}

// Rows of two lines where there is no room for four columns.
const narrow = matchMedia("(max-width: 56rem)");
const stack = () => $("trace").classList.toggle("stacked", narrow.matches || values.some(({ primal: x }) => x.shape?.length > 0));

function drawSeeds() {
  $("seeded").textContent = mode === "forward" ? "Seed: the direction in which the inputs move" : "Seed: the weight of the result";
  $("found").textContent = mode === "forward" ? "Derivative of the result along it" : "Derivative by each input";
  $("whole").textContent = data[mode].whole ? "One number for all elements of an array." : "";
  $("seeds").replaceChildren(...data[mode].labels.map((label, k) => {
    const input = Object.assign(document.createElement("input"), { type: "number", step: "any", value: weights[mode][k], required: true });
    input.setAttribute("aria-label", `seed ${plain([label])}`);
    input.addEventListener("input", () => {
      if (!input.validity.valid) return;
      weights[mode][k] = input.valueAsNumber;
      render(false);
    });
    return made("label", "", nameNode(label), input);
  }));
}

// ---------------------------------------------------------------- drawing, each frame
// `flowing` is false where only the seed has changed: then numbers are made anew and nothing moves.
function render(flowing = true) {
  const frame = current();
  const all = frames[mode].length;
  $("slider").max = all;
  $("slider").value = at;
  $("count").textContent = `step ${at} of ${all}`;
  $("slider").setAttribute("aria-valuetext", `${at} of ${all}`);
  for (const id of ["first", "back"]) $(id).disabled = at === 0;
  for (const id of ["next", "last"]) $(id).disabled = at === all;
  renderNow(frame);
  renderGraph(frame, flowing);
  renderTable(frame, !flowing);
  renderResults();
}

function renderNow(frame) {
  $("about").replaceChildren(...about(frame));
  const lines = frame ? linesOf(frame) : [];
  $("hint").hidden = frame !== null;
  $("lines").replaceChildren(...lines.map(([left, right, inNumbers, x, isDerivative]) => {
    const result = made("b", "", brief(x));
    result.title = exact(x);
    const node = made("div", `assignment${isDerivative ? " derivative" : ""}`, nameNode(left), made("span", "", "= ", ...formula(right)));
    if (inNumbers) node.append(made("span", ""), made("span", "", "= ", ...inNumbers));
    node.append(made("span", ""), made("span", "", "= ", result));
    return node;
  }));
  $("said").textContent = [`Step ${at} of ${frames[mode].length}. ${$("about").textContent}`,
    ...lines.map(([left, right, , x]) => `${plain([left])} = ${plain(right)} = ${brief(x).replaceAll("−", "-")}.`)].join(" ");
}

// The boxes that a frame makes, those that it flows from, and those whose values its formula reads.
function placesOf(frame) {
  if (!frame) return { target: null, sources: [], kept: [] };
  if (frame.step === undefined) return { target: boxOf.get(frame.value), sources: values[frame.value].parents.map((k) => boxOf.get(k)), kept: [] };
  const { target, sources, right } = steps[frame.step];
  const read = right.filter((piece) => typeof piece !== "string" && piece[2] === "" && piece[3] !== null);
  return { target: boxOf.get(target), sources: sources.map((k) => boxOf.get(k)), kept: read.map((piece) => boxOf.get(piece[3])) };
}

function renderGraph(frame, flowing) {
  const { target, sources, kept } = placesOf(frame);
  boxes.forEach((box, k) => {
    const known = box.members.filter((value) => value < at);
    const told = box.members.filter(hasDerivative);
    const shown = newest(known, frame?.value);
    const moved = newest(told, frame?.step === undefined ? frame?.value : steps[frame.step].target);
    const dual = moved === undefined ? null : derivative(moved);
    const single = box.members.length === 1;
    box.valueWord.replaceChildren(...(single || shown === undefined ? ["value"] : [nameNode(values[shown].name)]));
    const word = mode === "forward" ? "tangent" : "adjoint";
    box.word.replaceChildren(...(single || moved === undefined ? [word] : [nameNode(marked(values[moved].name, mode === "forward" ? "." : "~"))]));
    box.primal.textContent = shown === undefined ? "" : brief(primal(shown));
    box.dual.textContent = dual ? brief(dual.x) : "";
    box.derivative.classList.toggle("partial", dual !== null && !dual.whole);
    box.node.classList.toggle("pending", shown === undefined);
    box.node.classList.toggle("current", k === target);
    box.node.classList.toggle("source", k !== target && sources.includes(k));
    box.node.classList.toggle("kept", k !== target && !sources.includes(k) && kept.includes(k));
    for (const span of [box.primal, box.dual]) squeeze(span, box.w - 76);
  });
  const up = frame?.step !== undefined;
  flows.replaceChildren();
  for (const { source, target: end, path, line, tip: head } of edges) {
    for (const part of [line, head]) part.classList.toggle("pending", !boxes[end].members.some((value) => value < at));
    const here = up ? end !== source && source === target && sources.includes(end) : end === target && sources.includes(source);
    if (!here) continue;
    const flow = svg("path", { class: "flow", d: path, pathLength: 1 });
    flow.style.setProperty("--from", up ? "-1" : "1");
    if (!flowing) flow.style.animation = "none";
    flows.append(flow, svg("path", { class: "flow-tip", d: tip(path, up) }));
  }
  const seen = [target, ...sources].filter((k) => k !== null && k !== undefined).map((k) => boxes[k].node);
  if (seen.length) bring($("graph"), seen, 24);
  else if (!frame) $("graph").scrollTo({ top: 0, left: ($("graph").scrollWidth - $("graph").clientWidth) / 2 });
}

// Of the values of a folded box the one that was made now, or the newest: the last going on, the first going back.
function newest(members, now) {
  if (members.includes(now)) return now;
  return mode === "reverse" && at > values.length ? members[0] : members.at(-1);
}

// A text that is wider than its box is set smaller.
function squeeze(span, room) {
  span.style.fontSize = "";
  const width = span.offsetWidth;
  if (width > room) span.style.fontSize = `${Math.max(7, Math.floor((160 * room) / width) / 10)}px`;
}

function renderTable(frame, changed) {
  frames[mode].forEach((each, k) => {
    for (const { node, x } of each.results) {
      if (k >= at) node.textContent = node.title = "";
      else if (changed || node.textContent === "") [node.textContent, node.title] = [brief(x()), exact(x())];
    }
    each.row.classList.toggle("later", k >= at);
    each.row.classList.toggle("current", each === frame);
    if (each === frame) each.row.setAttribute("aria-current", "step");
    else each.row.removeAttribute("aria-current");
  });
  if (frame) bring($("trace"), [frame.row], 40);
  else $("trace").scrollTop = 0;
}

// Scroll a box so that parts of it are seen, or the first of them if not all can be, without moving the page.
function bring(box, parts, margin) {
  const outer = box.getBoundingClientRect();
  const inner = parts.map((part) => part.getBoundingClientRect());
  const by = (low, high) => {
    const room = outer[high] - outer[low] - 2 * margin;
    const ends = [Math.min(...inner.map((r) => r[low])), Math.max(...inner.map((r) => r[high]))];
    const [from, to] = ends[1] - ends[0] <= room ? ends : [inner[0][low], inner[0][high]];
    return from - margin < outer[low] ? from - margin - outer[low] : Math.max(0, to + margin - outer[high]);
  };
  box.scrollBy({ top: by("top", "bottom"), left: by("left", "right"), behavior: still.matches ? "auto" : "smooth" });
}
const still = matchMedia("(prefers-reduced-motion: reduce)");

function renderResults() {
  const done = at === frames[mode].length;
  const found = mode === "forward"
    ? values.slice(firstResult).map((y, k) => [marked(y.name, "."), at > firstResult + k, tangent(firstResult + k)])
    : values.slice(0, data.inputs).map((x, k) => [marked(x.rule[0], "~"), done || adjoint(k)?.whole, adjoint(k)?.x]);
  $("results").replaceChildren(...found.map(([name, known, x]) => {
    const value = made("dd", "", known ? (x ? brief(x, x.shape.length ? 5 : 10, 12) : "0") : "…");
    if (known) value.title = x ? exact(x) : "0";
    return made("div", "", made("dt", "", nameNode(name)), value);
  }));
}

// ---------------------------------------------------------------- what a reader does
function go(to) {
  at = Math.max(0, Math.min(frames[mode].length, to));
  if (at === frames[mode].length) pause();
  render();
}

function choose(chosen) {
  if (mode === chosen) return;
  pause();
  mode = chosen;
  document.body.dataset.mode = mode;
  for (const name of ["forward", "reverse"]) $(name).setAttribute("aria-pressed", String(name === mode));
  at = mode === "reverse" && at > 0 ? values.length : 0;
  drawTable();
  drawSeeds();
  render();
}

function pause() {
  clearInterval(timer);
  timer = null;
  $("play").textContent = "Play";
}

function play() {
  if (timer !== null) return pause();
  if (at === frames[mode].length) at = 0;
  timer = setInterval(() => go(at + 1), 1100);
  $("play").textContent = "Pause";
  go(at + 1);
}

const stepTo = { first: () => 0, back: () => at - 1, next: () => at + 1, last: () => frames[mode].length };
for (const [id, place] of Object.entries(stepTo)) {
  $(id).addEventListener("click", () => {
    pause();
    go(place());
  });
}
$("play").addEventListener("click", play);
$("slider").addEventListener("input", () => {
  pause();
  go($("slider").valueAsNumber);
});
for (const name of ["forward", "reverse"]) $(name).addEventListener("click", () => choose(name));
document.addEventListener("keydown", (event) => {
  if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = { ArrowRight: "next", ArrowLeft: "back", Home: "first", End: "last", p: "play", P: "play" }[event.key];
  if (!key) return;
  event.preventDefault();
  $(key).click();
});

narrow.addEventListener("change", stack);
drawGraph();
drawTable();
drawSeeds();
render();
