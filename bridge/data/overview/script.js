// The page: what is drawn where, and what happens on a click.

const song = JSON.parse(document.getElementById("song").textContent);
const byId = (id) => document.getElementById(id);
const beats = timesOf(song.beats);
const bars = timesOf(song.bars);
const chords = chordsOf(song.chords);
const parts = song.parts.map((part, index) => ({
  ...part,
  notes: notesOf(song.drawn[index]),
  waveform: part.waveform ? bytesOf(part.waveform) : null,
}));
const SHORTEST_VIEW_S = 1;
const BLACK_KEYS = new Set([1, 3, 6, 8, 10]);
const view = { start: 0, end: Math.max(song.duration, 0.1) };
const player = new Player(parts, song.duration, () => refresh());

// ---- small helpers ------------------------------------------------------------------------------------------------

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

function clockOf(seconds) {
  const tenths = Math.floor(Math.max(0, seconds) * 10 + 1e-6);
  const minutes = Math.floor(tenths / 600);
  return `${minutes}:${String(Math.floor((tenths % 600) / 10)).padStart(2, "0")}.${tenths % 10}`;
}

/** Number of a bar for people: 1 is the first whole one, 0 a pick-up. */
const numberOf = (bar) => bar + (song.pickup ? 0 : 1);

function barAndBeat(time) {
  const bar = Math.max(0, lastAt(bars, time + 1e-4));
  const beat = lastAt(beats, time + 1e-4) - lastAt(beats, (bars[bar] || 0) - 1e-3);
  return `${numberOf(bar)}.${Math.max(1, beat)}`;
}

const chordAt = (time) => chords.find((chord) => chord.start <= time && time < chord.end);
const percent = (share) => `${Math.round(share * 100)} %`;
const round = (number) => String(Math.round(number * 10) / 10);
const styleOf = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// ---- the parts of the page ----------------------------------------------------------------------------------------

function showFacts() {
  const [bpm, confidence, alternatives, source, isConstant] = song.tempo;
  const others = alternatives.length ? `or ${alternatives.map(round).join(", ")}` : "";
  const sure = source === "given" ? "as given" : `${percent(confidence)} sure`;
  const whole = bars.length - (song.pickup ? 1 : 0);
  const facts = [
    ["Tempo", `${round(bpm)} BPM`, [isConstant ? "" : "varies", sure, others].filter(Boolean).join(" · ")],
    ["Key", song.key || "unknown", ""],
    ["Time", song.signature.join("/"), ""],
    ["Length", clockOf(song.duration), `${whole} bars${song.pickup ? " and a pick-up" : ""}`],
    ["Notes", String(song.notes[1]), `${parts.length} parts`],
  ];
  for (const [name, value, more] of facts) {
    byId("facts").append(make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: value }, ...(more ? [make("small", { textContent: more })] : []))));
  }
}

function sourceButton(index, source, text, of) {
  const button = make("button", { type: "button", textContent: text });
  button.dataset.source = source;
  button.setAttribute("aria-label", `${text} of ${of}`);
  button.addEventListener("click", () => player.choose(index, source));
  return button;
}

function mixButton(index, what, text, of) {
  const button = make("button", { type: "button", className: `mix ${what}`, textContent: text });
  button.setAttribute("aria-label", `${what === "solo" ? "Solo" : "Mute"} ${of}`);
  button.title = what === "solo" ? "Solo" : "Mute";
  button.addEventListener("click", () => player.toggle(index, what === "mute" ? "muted" : what));
  return button;
}

function showPart(part, index) {
  const choice = make("div", { className: "choice" }, sourceButton(index, "stem", "Stem", part.name), sourceButton(index, "preview", "MIDI", part.name));
  choice.setAttribute("role", "group");
  choice.setAttribute("aria-label", `What plays for ${part.name}`);
  const meter = make("meter", { min: 0, max: 1, value: part.confidence });
  meter.setAttribute("aria-label", `Confidence of ${part.name}`);
  const canvas = make("canvas", { className: "lane" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${part.name}: ${part.count} notes over its waveform`);
  const track = make(
    "section",
    { className: "track" },
    make(
      "div",
      { className: "head" },
      make("h3", {}, part.name, make("small", { textContent: `${part.count} ${part.rows ? "hits" : "notes"}` })),
      make("div", { className: "sure" }, "sure", meter, percent(part.confidence)),
      make("div", { className: "controls" }, mixButton(index, "solo", "S", part.name), mixButton(index, "mute", "M", part.name), choice),
    ),
    canvas,
  );
  track.setAttribute("aria-label", part.name);
  track.style.setProperty("--part", part.color);
  byId("tracks").insertBefore(track, byId("playhead"));
  Object.assign(part, { track, canvas });
}

function showFiles() {
  for (const [folder, links] of song.files) {
    const list = make("p");
    for (const [name, address] of links) list.append(make("a", { href: address, textContent: name }));
    byId("files").append(make("div", {}, make("b", { textContent: folder ? `${folder}/` : "This folder" }), list));
  }
}

function showRemarks() {
  const [drawn, all] = song.notes;
  const remarks = [...song.warnings];
  if (drawn < all) remarks.push(`${drawn} of ${all} notes are drawn, the longest and loudest; the MIDI files have all of them.`);
  if (!parts.some((part) => part.preview)) remarks.push("There is no preview of the MIDI yet: deliver preview and overview together to compare both by ear.");
  byId("remark").textContent = remarks.join("\n");
  byId("remark").hidden = !remarks.length;
  byId("footer").textContent = `Made by Stembridge ${song.version}. Links lead to files in this page's folder.`;
}

// ---- drawing ------------------------------------------------------------------------------------------------------

const xOf = (time, width) => ((time - view.start) / (view.end - view.start)) * width;

/** A canvas cleared and scaled to the screen, with its size in CSS pixels. */
function begin(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = "11px system-ui, sans-serif";
  pen.textBaseline = "middle";
  return { pen, width, height };
}

function drawLines(pen, width, height, times, color, closest) {
  if (!times.length) return;
  const spacing = ((times[times.length - 1] - times[0]) / Math.max(1, times.length - 1) / (view.end - view.start)) * width;
  const every = spacing >= closest ? 1 : 2 ** Math.ceil(Math.log2(closest / Math.max(spacing, 1e-6)));
  pen.fillStyle = color;
  for (let index = 0; index < times.length; index += every) {
    const x = xOf(times[index], width);
    if (x >= 0 && x <= width) pen.fillRect(Math.round(x) - 0.5, 0, 1, height);
  }
}

function drawWaveform(pen, width, height, part, strength) {
  if (!part.waveform) return;
  const columns = part.waveform.length;
  pen.globalAlpha = strength;
  pen.fillStyle = part.color;
  for (let x = 0; x < width; x += 1) {
    const from = ((view.start + (x / width) * (view.end - view.start)) / song.duration) * columns;
    const to = ((view.start + ((x + 1) / width) * (view.end - view.start)) / song.duration) * columns;
    let peak = 0;
    for (let column = Math.floor(from); column < Math.max(to, Math.floor(from) + 1); column += 1) peak = Math.max(peak, part.waveform[column] || 0);
    const half = (peak / 255) * (height / 2 - 3);
    if (half > 0.3) pen.fillRect(x, height / 2 - half, 1, half * 2);
  }
  pen.globalAlpha = 1;
}

/** The rows of a part from the top, each with its pitches, and whether it is shaded or named. */
function rowsOf(part) {
  if (part.rows) return part.rows.map(([name, pitches], index) => ({ pitches, name, shaded: index % 2 === 1 }));
  const pitches = part.notes.map((note) => note.pitch);
  const lowest = pitches.reduce((low, pitch) => Math.min(low, pitch), 127);
  const highest = pitches.reduce((high, pitch) => Math.max(high, pitch), 0);
  const [low, high] = pitches.length ? [lowest - 1, highest + 1] : [60, 72];
  const spare = Math.max(0, 13 - (high - low));
  const rows = [];
  for (let pitch = high + Math.ceil(spare / 2); pitch >= low - Math.floor(spare / 2); pitch -= 1) {
    rows.push({ pitches: [pitch], name: pitch % 12 === 0 ? `C${pitch / 12 - 1}` : "", shaded: BLACK_KEYS.has(((pitch % 12) + 12) % 12) });
  }
  return rows;
}

/** Where each pitch of a part is drawn: its row's top and height in pixels. */
function placesOf(part, height) {
  const rows = rowsOf(part);
  const size = height / Math.max(1, rows.length);
  return new Map(rows.flatMap((row, index) => row.pitches.map((pitch) => [pitch, { top: index * size, size }])));
}

/** A color with some ink in it, which tells notes from the waveform behind them. */
function inked(color) {
  const ink = matchMedia("(prefers-color-scheme: dark)").matches ? 255 : 0;
  const channels = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
  return `rgb(${channels.map((channel) => Math.round(channel * 0.72 + ink * 0.28)).join(" ")})`;
}

/** Where a note of a part is drawn, in CSS pixels of its canvas. */
function boxOf(part, note, width, height, places = placesOf(part, height)) {
  const { top, size } = places.get(note.pitch) || { top: 0, size: 0 };
  const x = xOf(note.start, width);
  const thickness = Math.max(4, size - Math.min(4, size * 0.3));
  return { x, y: top + (size - thickness) / 2, width: Math.max(part.rows ? 3 : 2, xOf(note.end, width) - x - 0.5), height: thickness };
}

function drawLane(part) {
  const { pen, width, height } = begin(part.canvas);
  const rows = rowsOf(part);
  const size = height / Math.max(1, rows.length);
  pen.fillStyle = styleOf("--row");
  rows.forEach((row, index) => row.shaded && pen.fillRect(0, index * size, width, size));
  drawLines(pen, width, height, beats, styleOf("--line"), 14);
  drawLines(pen, width, height, bars, styleOf("--bar"), 10);
  drawWaveform(pen, width, height, part, Number(styleOf("--wave")));
  drawNotes(pen, width, height, part);
  drawNames(pen, rows, size);
}

function drawNotes(pen, width, height, part) {
  const places = placesOf(part, height);
  pen.fillStyle = inked(part.color);
  for (const note of part.notes) {
    if (note.start > view.end) break;
    if (note.end < view.start && note.start < view.start - 1) continue;
    const box = boxOf(part, note, width, height, places);
    pen.globalAlpha = 0.5 + (0.5 * note.velocity) / 127;
    pen.beginPath();
    pen.roundRect(box.x, box.y, box.width, box.height, Math.min(2, box.width / 3));
    pen.fill();
  }
  pen.globalAlpha = 1;
}

function drawNames(pen, rows, size) {
  rows.forEach((row, index) => {
    if (!row.name) return;
    const middle = (index + 0.5) * size;
    pen.globalAlpha = 0.85;
    pen.fillStyle = styleOf("--panel");
    pen.beginPath();
    pen.roundRect(4, middle - 8, pen.measureText(row.name).width + 8, 16, 4);
    pen.fill();
    pen.globalAlpha = 1;
    pen.fillStyle = styleOf("--faint");
    pen.fillText(row.name, 8, middle + 0.5);
  });
}

function drawRuler() {
  const { pen, width, height } = begin(byId("ruler"));
  const third = height / 3;
  drawSections(pen, width, third);
  drawChords(pen, width, third);
  pen.fillStyle = styleOf("--faint");
  let free = -Infinity;
  bars.forEach((time, bar) => {
    const x = xOf(time, width);
    if (x < -40 || x > width) return;
    const text = String(numberOf(bar));
    const isFirst = x >= free;
    pen.globalAlpha = isFirst ? 1 : 0.35;
    pen.fillRect(Math.round(x) - 0.5, isFirst ? third * 2 + 2 : height - 5, 1, third);
    if (isFirst) {
      pen.fillText(text, x + 4, third * 2.5 + 1);
      free = x + pen.measureText(text).width + 18;
    }
  });
  pen.globalAlpha = 1;
}

function drawSections(pen, width, size) {
  const letters = [...new Set(song.sections.map((section) => section[2]))];
  for (const [start, end, label] of song.sections) {
    const x = xOf(start, width);
    const length = xOf(end, width) - x;
    pen.fillStyle = `hsl(${(215 + letters.indexOf(label) * 67) % 360} 60% 55%)`;
    pen.globalAlpha = 0.28;
    pen.fillRect(x + 0.5, 2, length - 1, size - 4);
    pen.globalAlpha = 1;
    pen.fillStyle = styleOf("--ink");
    if (length > 14) pen.fillText(label, Math.max(x, 0) + 6, size / 2);
  }
}

function drawChords(pen, width, size) {
  pen.font = "600 12px system-ui, sans-serif";
  let free = -Infinity;
  let before = "";
  for (const chord of chords) {
    const x = xOf(chord.start, width);
    const isNew = chord.symbol !== before;
    before = chord.symbol;
    if (x < -60 || x > width || x < free || !isNew) continue;
    pen.globalAlpha = 0.4 + 0.6 * chord.confidence;
    pen.fillStyle = styleOf("--accent");
    pen.fillText(chord.symbol, x + 4, size * 1.5);
    free = x + pen.measureText(chord.symbol).width + 10;
  }
  pen.globalAlpha = 1;
  pen.font = "11px system-ui, sans-serif";
}

function draw() {
  drawRuler();
  parts.forEach(drawLane);
  movePlayhead();
}

// ---- what is shown now --------------------------------------------------------------------------------------------

let shown = { start: NaN, end: NaN };

function movePlayhead() {
  const time = player.time;
  if (player.playing && (time < view.start || time > view.end)) show(time - (view.end - view.start) * 0.1);
  if (shown.start !== view.start || shown.end !== view.end) {
    shown = { ...view };
    draw();
    return;
  }
  const x = xOf(time, byId("ruler").clientWidth);
  byId("playhead").style.transform = `translateX(${x}px)`;
  byId("playhead").style.visibility = x < 0 || x > byId("ruler").clientWidth ? "hidden" : "visible";
  byId("clock").textContent = clockOf(time);
  byId("bar").textContent = barAndBeat(time);
  byId("chord").textContent = (chordAt(time) || { symbol: "" }).symbol;
  if (document.activeElement !== byId("seek") || player.playing) byId("seek").value = time;
  byId("seek").setAttribute("aria-valuetext", `${clockOf(time)}, bar ${barAndBeat(time)}`);
}

function refresh() {
  document.body.classList.toggle("is-playing", player.playing);
  byId("play").setAttribute("aria-label", player.playing ? "Pause" : "Play");
  parts.forEach((part, index) => {
    if (!part.track) return;
    const voice = player.voices[index];
    part.track.classList.toggle("is-silent", !player.isHeard(voice));
    part.track.querySelector(".solo").setAttribute("aria-pressed", voice.solo);
    part.track.querySelector(".mute").setAttribute("aria-pressed", voice.muted);
    for (const button of part.track.querySelectorAll("[data-source]")) {
      button.disabled = !player.has(index, button.dataset.source);
      button.setAttribute("aria-pressed", !button.disabled && voice.source === button.dataset.source);
    }
  });
  for (const button of byId("all").children) {
    const source = button.dataset.source;
    const able = player.voices.filter((_, index) => player.has(index, source));
    button.disabled = !able.length;
    button.setAttribute("aria-pressed", able.length > 0 && able.every((voice) => voice.source === source));
  }
  byId("play").disabled = !player.elements().length;
  movePlayhead();
}

function tick() {
  if (player.playing) movePlayhead();
  requestAnimationFrame(tick);
}

/** Show from a time on, as much as now; never more than there is. */
function show(start, length = view.end - view.start) {
  const span = Math.min(Math.max(length, Math.min(SHORTEST_VIEW_S, song.duration)), Math.max(song.duration, 0.1));
  view.start = Math.min(Math.max(start, 0), Math.max(song.duration, 0.1) - span);
  view.end = view.start + span;
  movePlayhead();
}

function zoom(factor, around = player.time) {
  const fixed = Math.min(Math.max(around, view.start), view.end);
  const length = (view.end - view.start) * factor;
  show(fixed - ((fixed - view.start) / (view.end - view.start)) * length, length);
}

function stepTo(times, direction) {
  const time = player.time;
  const index = direction > 0 ? lastAt(times, time + 0.01) + 1 : lastAt(times, time - 0.15);
  player.seek(times[index] ?? (direction > 0 ? song.duration : 0));
}

const playOrPause = () => (player.playing ? player.pause() : player.play());
const switchAll = () => player.chooseAll(player.voices.some((voice) => voice.source === "stem") ? "preview" : "stem");

// ---- what the user does -------------------------------------------------------------------------------------------

const KEYS = {
  " ": playOrPause,
  Home: () => player.seek(0),
  End: () => player.seek(song.duration),
  ArrowLeft: (event) => stepTo(event.shiftKey ? bars : beats, -1),
  ArrowRight: (event) => stepTo(event.shiftKey ? bars : beats, 1),
  m: switchAll,
  M: switchAll,
  "+": () => zoom(0.5),
  "=": () => zoom(0.5),
  "-": () => zoom(2),
  0: () => show(0, song.duration),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.closest("button, a")) return; // what has the focus takes it
  const digit = /^Digit([1-9])$/.exec(event.code);
  const index = digit ? Number(digit[1]) - 1 : -1;
  const action = index >= 0 && index < parts.length ? () => onDigit(index, event.shiftKey) : KEYS[event.key];
  if (!action || (index < 0 && event.target.id === "seek" && event.key.startsWith("Arrow") && event.shiftKey)) return;
  event.preventDefault();
  action(event);
}

function onDigit(index, isSwitch) {
  if (isSwitch) player.choose(index, player.voices[index].source === "stem" ? "preview" : "stem");
  else player.toggle(index, "solo");
}

/** Click to seek, drag to move, wheel to move and zoom. */
function onCanvas(canvas) {
  const timeAt = (event) => view.start + (event.offsetX / canvas.clientWidth) * (view.end - view.start);
  let from = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button === 0) from = { x: event.clientX, start: view.start, moved: false };
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || !(from.moved || Math.abs(event.clientX - from.x) > 6)) return;
    if (!from.moved) canvas.setPointerCapture(event.pointerId);
    from.moved = true;
    show(from.start - ((event.clientX - from.x) / canvas.clientWidth) * (view.end - view.start));
  });
  canvas.addEventListener("pointerup", (event) => {
    if (from && !from.moved) player.seek(timeAt(event));
    from = null;
  });
  canvas.addEventListener("pointercancel", () => (from = null));
  canvas.addEventListener(
    "wheel",
    (event) => {
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (!event.ctrlKey && !sideways) return;
      event.preventDefault();
      if (event.ctrlKey) zoom(Math.exp(event.deltaY / 300), timeAt(event));
      else show(view.start + (sideways / canvas.clientWidth) * (view.end - view.start));
    },
    { passive: false },
  );
}

function start() {
  showFacts();
  parts.forEach(showPart);
  showFiles();
  showRemarks();
  byId("seek").max = song.duration;
  byId("seek").addEventListener("input", (event) => player.seek(Number(event.target.value)));
  byId("play").addEventListener("click", playOrPause);
  byId("in").addEventListener("click", () => zoom(0.5));
  byId("out").addEventListener("click", () => zoom(2));
  byId("fit").addEventListener("click", () => show(0, song.duration));
  for (const button of byId("all").children) button.addEventListener("click", () => player.chooseAll(button.dataset.source));
  document.addEventListener("keydown", onKey);
  // After a click with the pointer the space bar is for playing again, not for the same button.
  document.addEventListener("click", (event) => event.detail && event.target.closest("button")?.blur());
  [byId("ruler"), ...parts.map((part) => part.canvas)].forEach(onCanvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
  new ResizeObserver(draw).observe(byId("ruler"));
  refresh();
  requestAnimationFrame(tick);
}

start();
