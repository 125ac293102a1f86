// Correcting a result on its map: a bar of tools above it. Edits are posted to our own route, their
// answer is drawn in place, and the page is told afterwards.
window.samgeoEdit = window.samgeoEdit || (() => {
  "use strict";

  const SAME_PLACE_PX = 5; // a second click this near means what lies around
  const LOOK_PAUSE_MS = 400;
  const MOST_WAITING = 50; // steps
  const HINTS = {
    split: _("Click one part of the object, then the other."),
    redraw: _("Click what belongs to the object; with − what doesn’t."),
    add: _("Click the object that is missing."),
  };
  const state = {
    map: null, config: null, selected: [], several: false, mode: null, points: [], label: 1, busy: false,
    message: "", failed: false, asked: 0, last: null, previewing: false,
    queue: [], // steps to undo or redo that wait for the one before
  };
  const ui = {};

  function build() {
    const clicksAre = (label) => () => { state.label = label; draw(); };
    Object.assign(ui, window.samgeoEditBar.create({
      several: () => { state.several = !state.several; draw(); },
      delete: () => act("delete"), merge: () => act("merge"), split: () => toggle("split"), redraw: () => toggle("redraw"),
      smooth: () => act("smooth", { radius_px: Number(ui.radius.value) }), add: () => toggle("add"),
      undo: () => act("undo"), redo: () => act("redo"), on: clicksAre(1), off: clicksAre(0), apply, cancel: leave,
    }));
    document.body.prepend(ui.bar);
    new ResizeObserver(fit).observe(ui.bar);
    document.addEventListener("keydown", key);
    const { map } = state;
    map.on("click", click);
    map.on("contextmenu", (event) => { if (state.mode) click(event, 0); });
    map.on("moveend", look);
    ui.marks = L.layerGroup().addTo(map);
  }

  function fit() {
    document.documentElement.style.setProperty("--samgeo-bar", `${ui.bar.offsetHeight}px`);
    state.map.invalidateSize({ pan: false });
  }

  function statusText() {
    if (state.message) return state.message;
    if (state.mode === "split" && state.points.length) return _("Now the other part.");
    if (state.mode) return HINTS[state.mode];
    const count = state.selected.length;
    if (!count) return _("Click an object to select it.");
    if (count > 1) return _("{n} objects selected", { n: count });
    return _("Object {n} selected; click again for the one around it.", { n: state.selected[0] });
  }

  function draw() {
    const on = Boolean(state.config), { buttons: b } = ui, count = state.selected.length;
    document.documentElement.classList.toggle("samgeo-editing", on);
    document.documentElement.classList.toggle("samgeo-clicking", on && Boolean(state.mode));
    ui.bar.classList.toggle("samgeo-busy", state.busy);
    if (!on) return;
    const idle = !state.busy, clicks = state.mode === "redraw" || state.mode === "add";
    for (const name of ["delete", "smooth"]) b[name].disabled = !idle || !count || Boolean(state.mode);
    b.merge.disabled = !idle || count < 2 || Boolean(state.mode);
    for (const name of ["split", "redraw"]) b[name].disabled = !idle || count !== 1;
    b.add.disabled = !idle;
    b.undo.disabled = !idle || !state.config.can_undo;
    b.redo.disabled = !idle || !state.config.can_redo;
    b.several.disabled = Boolean(state.mode);
    b.several.setAttribute("aria-pressed", state.several);
    for (const name of ["split", "redraw", "add"]) b[name].setAttribute("aria-pressed", state.mode === name);
    for (const name of ["on", "off", "apply"]) b[name].hidden = !clicks;
    b.cancel.hidden = !state.mode;
    b.on.setAttribute("aria-pressed", state.label === 1);
    b.off.setAttribute("aria-pressed", state.label === 0);
    b.apply.disabled = !idle || !ui.outline;
    // NOTE: a button that is disabled under the pointer would keep the keys to itself.
    if (document.activeElement?.disabled) state.map.getContainer().focus({ preventScroll: true });
    ui.status.textContent = state.busy ? _("Working…") : statusText();
    ui.status.classList.toggle("samgeo-failed", state.failed && !state.busy);
  }

  function select(ids) {
    state.selected = ids;
    window.samgeo.mark(ids);
    draw();
  }

  function click(event, label = null) {
    if (!state.config || (state.busy && !state.previewing)) return;
    Object.assign(state, { message: "", failed: false });
    if (state.mode) { point(event.latlng, label ?? (event.originalEvent.altKey ? 0 : state.label)); return; }
    const hits = window.samgeo.objectsAt(event.layerPoint).map((properties) => properties.object_id);
    const { shiftKey, ctrlKey, metaKey } = event.originalEvent;
    if (state.several || shiftKey || ctrlKey || metaKey) {
      if (!hits.length) return;
      const [id] = hits, has = state.selected.includes(id);
      select(has ? state.selected.filter((other) => other !== id) : [...state.selected, id]);
      return;
    }
    const { last, selected } = state;
    const again = last && last.distanceTo(event.containerPoint) <= SAME_PLACE_PX && selected.length === 1;
    const at = again ? hits.indexOf(selected[0]) : -1;
    state.last = event.containerPoint;
    select(hits.length ? [hits[(at + 1) % hits.length]] : []);
  }

  function point(latlng, label) {
    state.points.push([latlng.lng, latlng.lat, state.mode === "split" ? 1 : label]);
    const split = state.mode === "split";
    if (split && state.points.length < 2) { drawPoints(); draw(); return; }
    drawPoints();
    if (split) act("split");
    else if (!state.previewing) preview(); // else it goes on with this click when it is done
  }

  function drawPoints() {
    ui.marks.clearLayers();
    if (ui.outline) {
      L.geoJSON(ui.outline, { style: { color: "#ffb000", weight: 3, fillOpacity: 0.25, interactive: false } }).addTo(ui.marks);
    }
    for (const [lng, lat, label] of state.points) {
      const style = { radius: 5, weight: 2, color: "#fff", fillOpacity: 1, interactive: false };
      L.circleMarker([lat, lng], { ...style, fillColor: label ? "#12805c" : "#c0392b" }).addTo(ui.marks);
    }
  }

  function toggle(mode) {
    const next = state.mode === mode ? null : mode;
    leave();
    if (next === "add") select([]);
    state.mode = next;
    look();
    draw();
  }

  function leave() {
    Object.assign(state, { mode: null, points: [], label: 1, message: "", failed: false });
    state.asked += 1;
    ui.outline = null;
    drawPoints();
    draw();
  }

  function viewCorners() {
    const bounds = state.map.getBounds();
    const corners = [bounds.getNorthWest(), bounds.getNorthEast(), bounds.getSouthEast(), bounds.getSouthWest()];
    return corners.map(({ lng, lat }) => [lng, lat]);
  }

  async function post(action, values) {
    const { address, token, revision } = state.config;
    const response = await fetch(address.replace("{action}", action), {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Edit-Token": token },
      body: JSON.stringify({ base: revision, ...values }),
    });
    if (response.ok) return response.json();
    const told = response.status < 500 ? (await response.text()).trim() : _("Something went wrong on the server. Try again.");
    const error = new Error(told);
    error.stale = response.status === 409;
    throw error;
  }

  // What clicks need is encoded ahead, as soon as a tool for clicks is at hand.
  function look() {
    clearTimeout(state.pause);
    if (!state.config || !state.mode) return;
    state.pause = setTimeout(() => post("look", { view: viewCorners() }).catch(() => {}), LOOK_PAUSE_MS);
  }

  function fail(error) {
    const told = error.stale !== undefined ? error.message : _("The server can’t be reached. Try again.");
    state.queue = [];
    if (error.stale) { leave(); if (state.config) state.config.step = 0; } // all that the page tells is news
    tellPage(Date.now());
    Object.assign(state, { message: told, failed: true });
  }

  async function preview() {
    const asked = (state.asked += 1), sent = state.points.length;
    let answered = sent;
    Object.assign(state, { busy: true, previewing: true });
    draw();
    try {
      const objects = state.mode === "redraw" ? state.selected : [];
      const { outline } = await post("preview", { objects, points: state.points, view: viewCorners() });
      if (asked === state.asked) ui.outline = outline;
    } catch (error) {
      if (asked === state.asked) { answered = sent - 1; state.points.splice(answered, 1); fail(error); }
    }
    Object.assign(state, { busy: false, previewing: false });
    if (asked !== state.asked) answered = 0; // others were begun meanwhile
    if (state.mode && state.mode !== "split" && state.points.length > answered) { preview(); return; }
    drawPoints();
    draw();
  }

  function apply() {
    if (ui.outline && !state.busy) act(state.mode);
  }

  async function act(action, more = {}) {
    const again = ["undo", "redo"].includes(action);
    if (state.busy) { // keys may come faster than answers
      if (again && state.queue.length < MOST_WAITING) state.queue.push(action);
      return;
    }
    const values = { objects: state.selected, points: state.points, view: viewCorners(), ...more };
    if (again) leave();
    Object.assign(state, { busy: true, message: "", failed: false });
    draw();
    try {
      const answer = await post(action, values);
      const { revision, step, source, masks, can_undo, can_redo } = answer;
      if (state.config) Object.assign(state.config, { revision, step, can_undo, can_redo, source, masks });
      state.busy = false;
      leave();
      window.samgeo.patch(answer);
      state.last = null;
      select(answer.select);
      state.message = answer.note || "";
      tellPage(step);
    } catch (error) {
      if (state.mode === "split") { state.points = []; drawPoints(); }
      state.busy = false;
      fail(error);
    }
    draw();
    const next = state.queue.shift();
    if (next && state.config[`can_${next}`]) act(next);
    else state.queue = [];
  }

  const tellPage = (edits) => window.Streamlit && window.Streamlit.setComponentValue({ edits });

  function key(event) {
    if (!state.config || event.target.tagName === "INPUT") return;
    const { buttons: b } = ui, name = event.key.toLowerCase(), ctrl = event.ctrlKey || event.metaKey;
    const press = (node) => { event.preventDefault(); if (!node.disabled && !node.hidden) node.click(); };
    const step = ctrl && (name === "y" || (name === "z" && event.shiftKey) ? "redo" : name === "z" && "undo");
    if (step) { event.preventDefault(); if (state.busy || state.config[`can_${step}`]) act(step); }
    else if (state.busy) return;
    else if (!ctrl && ["delete", "backspace"].includes(name)) press(b.delete);
    else if (name === "enter" && event.target.tagName !== "BUTTON") press(b.apply);
    else if (name === "escape") { if (state.mode) leave(); else select([]); }
  }

  // The page may tell of a result that was edited since, or of what the map itself is just asking
  // for: it is told once the answer is here, and then tells again.
  function heed(next, shown) {
    const { config } = state;
    if (!config || !next.editing || next.editing.token !== config.token) return next;
    const editing = state.busy && !state.previewing;
    if (!editing && next.editing.step >= config.step) return next;
    return { ...next, source: shown.source, masks: shown.masks, editing: config };
  }

  function update(map, editing) {
    if (!editing && !ui.bar) return;
    const before = state.config;
    state.map = map;
    state.config = editing && { ...editing };
    if (!ui.bar) build();
    map.doubleClickZoom[editing ? "disable" : "enable"]();
    if (!editing || !before || before.revision !== editing.revision || before.address !== editing.address) {
      const { message, failed } = state;
      leave();
      if (editing && failed) Object.assign(state, { message, failed });
      select([]);
    }
    draw();
    fit();
  }

  return { heed, select, update };
})();
