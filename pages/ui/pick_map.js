// The map of the page Pick: it posts what is clicked and drawn to our own server and draws the answer
// itself, so that nothing waits for the page. The page is told afterwards what was picked.
window.samgeoPick = window.samgeoPick || (() => {
  "use strict";

  const HOVER_PAUSE_MS = 70; // the pointer rests this long before it is asked what lies there
  const VIEW_PAUSE_MS = 200;
  const BUSY_AFTER_MS = 250;
  const ERROR_MS = 7000;
  const TELL_PAUSE_MS = 400;
  const CANDIDATES_PAUSE_MS = 60;

  const HINTS = {
    include: _("Click an object"),
    exclude: _("Click what doesn't belong to the object"),
    box: _("Draw a box around an object"),
    lasso: _("Draw round an object, or click its corners"),
    move: _("Drag the map, or click a picked object"),
  };

  function setup(map, options) {
    const empty = { revision: -1, active: null, objects: [], can_undo: false, can_redo: false };
    const state = { ...empty };
    const outlines = new Map(); // mask key -> GeoJSON geometry
    const say = { error: "", busy: "", prepare: "", corners: 0 };
    let tail = Promise.resolve();
    let waiting = 0, latest = 0, told = null, ready = false;

    const drawing = window.samgeoPickDraw.create(map, state, outlines);

    function draw() {
      drawing.all();
      panel.draw(state);
      drawStatus();
    }

    // ---- What the status line says, the most urgent first.

    function drawStatus() {
      if (say.error) { panel.say(say.error, "error"); return; }
      if (say.busy) { panel.say(say.busy, "busy"); return; }
      if (say.prepare) { panel.say(say.prepare, "busy"); return; }
      if (say.corners) {
        panel.say(say.corners < 3 ? _("Click the next corner") : _("Click the first corner, or press Enter, to close it"), "hint");
        return;
      }
      const refine = state.active && (tools.tool === "include" || tools.tool === "exclude");
      panel.say(refine ? _("Refine the outline, or accept it") : HINTS[tools.tool], "hint");
    }

    function complain(text) {
      say.error = text;
      clearTimeout(say.timer);
      say.timer = setTimeout(() => { say.error = ""; drawStatus(); }, ERROR_MS);
      drawStatus();
    }

    // ---- The server.

    function viewCorners() {
      const bounds = map.getBounds();
      return [bounds.getSouthWest(), bounds.getNorthWest(), bounds.getNorthEast(), bounds.getSouthEast()]
        .map(({ lng, lat }) => [lng, lat]);
    }

    async function post(action, values, signal) {
      const response = await fetch(`${options.address}/${action}`, {
        method: "POST", signal, headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ ...values, view: viewCorners() }),
      });
      if (!response.ok) throw Object.assign(new Error((await response.text()).trim()), { known: response.status < 500 });
      return response;
    }

    function sentence(error) {
      if (error.known && error.message) return error.message;
      return error instanceof TypeError ? _("The server can't be reached; try again in a moment.") : _("That did not work; try again.");
    }

    // Changes go one after the other, in the order in which they were made.
    function ask(action, values, since = performance.now()) {
      waiting += 1;
      const busy = setTimeout(() => { say.busy = _("Finding the outline…"); drawStatus(); }, BUSY_AFTER_MS);
      tail = tail.then(async () => {
        try {
          const response = await post(action, values || {});
          const answer = await response.json();
          say.error = "";
          adopt(answer);
          report(action, since, response.headers.get("Server-Timing"));
        } catch (error) {
          console.warn("not picked:", error);
          complain(sentence(error));
          if (waiting === 1) draw(); // what was drawn ahead of the answer goes
        } finally {
          waiting -= 1;
          clearTimeout(busy);
          if (!waiting) say.busy = "";
          drawStatus();
        }
      });
      return tail;
    }

    function adopt(answer) {
      keep(answer);
      const { revision, active, objects, can_undo, can_redo } = answer;
      Object.assign(state, { revision, active, objects, can_undo, can_redo });
      draw();
      tell();
      if (objects.some(({ key }) => !outlines.has(key))) load();
      clearTimeout(adopt.timer);
      adopt.timer = setTimeout(loadCandidates, CANDIDATES_PAUSE_MS);
    }

    // What else the object at hand may be comes after what was chosen, as nobody waits for it yet.
    async function loadCandidates() {
      const { active } = state;
      if (!active || waiting || active.candidates.every(({ key }) => outlines.has(key))) return;
      try {
        const response = await fetch(`${options.address}/candidates`);
        if (response.ok) keep(await response.json());
        if (state.active === active) drawing.active();
      } catch (error) {
        console.warn("candidates not loaded:", error);
      }
    }

    function keep(answer) {
      for (const [key, geometry] of Object.entries(answer.outlines)) outlines.set(key, geometry);
    }

    // All about the session, for a map that was just drawn, or one that missed something.
    async function load() {
      try {
        const response = await fetch(options.address);
        if (!response.ok) throw Object.assign(new Error((await response.text()).trim()), { known: true });
        const answer = await response.json();
        if (answer.revision >= state.revision) adopt(answer);
      } catch (error) {
        console.warn("picks not loaded:", error);
        complain(sentence(error));
      }
    }

    // For those who measure: what it took from an event until its outcome was on the screen.
    function report(action, since, server) {
      requestAnimationFrame(() => {
        const painted = new MessageChannel();
        painted.port1.onmessage = () => {
          const detail = { action, ms: performance.now() - since, server };
          document.dispatchEvent(new CustomEvent("samgeo:pick", { detail }));
        };
        painted.port2.postMessage(0);
      });
    }

    // The page learns how many objects there are, a moment later and only when that changed.
    function tell() {
      const now = { picked: state.objects.length };
      if (told === null) told = now.picked;
      clearTimeout(tell.timer);
      tell.timer = setTimeout(() => {
        if (told === now.picked || !window.Streamlit) return;
        told = now.picked;
        window.Streamlit.setComponentValue(now);
      }, TELL_PAUSE_MS);
    }

    // ---- What is seen is encoded ahead.

    function follow() {
      clearTimeout(follow.timer);
      follow.timer = setTimeout(prepare, VIEW_PAUSE_MS);
    }

    function setReady(value) {
      ready = value;
      map.getContainer().dataset.ready = String(value);
    }

    async function prepare() {
      const { x, y } = map.getSize();
      if (!x || !y) return;
      follow.request?.abort();
      const request = follow.request = new AbortController();
      const slow = setTimeout(() => { say.prepare = _("Preparing this view…"); drawStatus(); }, BUSY_AFTER_MS);
      setReady(false);
      let answer = { state: "waiting" };
      try {
        while (["waiting", "working"].includes(answer.state)) {
          answer = await (await post("view", {}, request.signal)).json();
        }
        if (follow.request === request) setReady(answer.state === "ready");
        if (answer.note) complain(answer.note);
      } catch (error) {
        if (error.name !== "AbortError") complain(sentence(error));
      } finally {
        clearTimeout(slow);
      }
      if (follow.request !== request) return;
      say.prepare = "";
      drawStatus();
      if (answer.state === "dropped") setTimeout(follow, 1000); // another tab with the same picks looks elsewhere
    }

    // ---- A look at what a click would give. Not for fingers, which don't hover.

    const hovers = window.matchMedia("(hover: hover) and (pointer: fine)").matches;

    function hover(event) {
      clearTimeout(hover.timer);
      hover.at = event ? event.containerPoint : null;
      if (!event || hover.drawnAt && hover.drawnAt.distanceTo(event.containerPoint) > 12) {
        drawing.preview(null);
        hover.drawnAt = null;
      }
      if (event && hovers) hover.timer = setTimeout(preview, HOVER_PAUSE_MS);
    }

    async function preview() {
      const point = hover.at;
      const idle = ready && !waiting && !state.active && !tools.isDrawing && ["include", "box"].includes(tools.tool);
      if (!point || !idle || hover.busy) return;
      const { lng, lat } = map.containerPointToLatLng(point);
      hover.busy = true;
      try {
        const answer = await (await post("preview", { points: [[lng, lat, 1]] })).json();
        if (answer.ready && !state.active && !waiting && hover.at && hover.at.distanceTo(point) < 12) {
          keep(answer);
          drawing.preview(answer.key);
          hover.drawnAt = point;
        }
      } catch (error) {
        console.debug("no preview:", error); // beside the image, or nothing there: a click would say so
      } finally {
        hover.busy = false;
        if (hover.at && hover.at !== point) hover.timer = setTimeout(preview, HOVER_PAUSE_MS);
      }
    }

    // ---- What people do.

    const places = (latlngs) => latlngs.map(({ lng, lat }) => [lng, lat]);

    function point({ lng, lat }, label, event) {
      if (!label && !state.active) {
        complain(_("Click the object itself first; then exclude what doesn't belong to it."));
        return;
      }
      drawing.preview(null);
      drawing.point([lng, lat, label]); // at once, before any answer
      ask("prompt", { points: [[lng, lat, label]] }, event.timeStamp);
    }

    // Where objects lie in each other, the smallest one is meant.
    function selectAt(latlng) {
      const there = state.objects.filter(({ number }) => drawing.covers(number, latlng));
      if (!there.length) { setDown(); return; }
      select(there.reduce((a, b) => (b.area_px < a.area_px ? b : a)).number, false);
    }

    function select(number, bringIntoSight = true) {
      const item = state.objects.find((other) => other.number === number);
      if (bringIntoSight && item && outlines.has(item.key)) {
        const bounds = drawing.boundsOf(item.key);
        if (!map.getBounds().contains(bounds)) map.fitBounds(bounds, { maxZoom: map.getZoom(), padding: [40, 40] });
      }
      if (!state.active || state.active.number !== number) ask("select", { number });
    }

    function choose(index) {
      const { active } = state;
      if (!active || index >= active.candidates.length || index === active.chosen) return;
      active.chosen = index; // at once, where its outline is here already
      draw();
      ask("choose", { index });
    }

    const setDown = () => { if (state.active) ask("set_down"); };
    const accept = () => { if (state.active) ask(state.active.accepted ? "set_down" : "accept"); };
    const remove = (number) => ask("delete", { number });

    function setTool(name) {
      tools.setTool(name);
      panel.setTool(name);
      say.corners = 0;
      drawing.preview(null);
      drawStatus();
    }

    const KEYS = { f: "include", b: "exclude", r: "box", g: "lasso", h: "move" };

    function key(event) {
      if (event.target.closest("input, textarea, select")) return;
      const name = event.key.toLowerCase();
      let done = true;
      if (event.ctrlKey || event.metaKey) {
        if (name === "y" || (name === "z" && event.shiftKey)) ask("redo");
        else if (name === "z" && !tools.takeBackCorner()) ask("undo");
        else done = name === "z";
      } else if (event.altKey) done = false;
      else if (name === "enter") {
        if (event.target.closest("button")) return; // presses it
        if (!tools.close()) accept();
      } else if (name === "escape") { if (!tools.cancel()) setDown(); }
      else if (name === "backspace" && tools.isDrawing) tools.takeBackCorner();
      else if (name === "delete" || name === "backspace") { if (state.active) remove(state.active.number); }
      else if (["1", "2", "3"].includes(name)) choose(Number(name) - 1);
      else if (name in KEYS) setTool(KEYS[name]);
      else done = false;
      if (done) event.preventDefault();
    }

    // ---- Beginning.

    document.body.classList.add("pick");
    const panel = window.samgeoPickPanel.create(document.body, {
      tool: setTool, choose, accept, remove, select,
      undo: () => ask("undo"), redo: () => ask("redo"),
    }, drawing.colorOf);
    const tools = window.samgeoPickTools.create(map, options.axes, {
      point, select: selectAt,
      box: (corners) => ask("prompt", { box: places(corners) }),
      polygon: (corners) => ask("prompt", { polygon: places(corners) }),
      drawing: (corners) => { say.corners = corners || 0; drawStatus(); },
    });
    setTool("include");
    draw();
    load();
    map.on("moveend resize", follow);
    map.on("mousemove", hover);
    map.on("mouseout movestart", () => hover(null));
    document.addEventListener("keydown", key);
    map.invalidateSize();
    follow();
  }

  return { setup };
})();
