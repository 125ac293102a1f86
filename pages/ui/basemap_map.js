// A box that is drawn on a basemap, with mouse, pen or finger; the page hears of it as of any drawing.
window.samgeoBasemap = window.samgeoBasemap || (() => {
  "use strict";

  const MOST_LATITUDE = 85.0511;
  const SMALLEST_PX = 4; // a pointer that moves less than this draws nothing
  const STYLE = { color: "#ffb000", weight: 2, fillColor: "#ffb000", fillOpacity: 0.12, interactive: false };
  const state = { map: null, box: null, button: null, hint: null, drawing: false, from: null, shown: "", lost: false };

  const clamp = (value, most) => Math.max(-most, Math.min(most, value));

  function boundsOf(a, b) {
    const corner = ({ lat, lng }) => [clamp(lat, MOST_LATITUDE), clamp(lng, 180)];
    return L.latLngBounds([corner(a), corner(b)]);
  }

  function say(text) {
    state.hint.textContent = text;
    state.hint.style.display = text ? "" : "none";
  }

  function drawMode(on) {
    state.drawing = on;
    state.from = null;
    state.button.setAttribute("aria-pressed", String(on));
    const container = state.map.getContainer();
    container.style.cursor = on ? "crosshair" : "";
    container.style.touchAction = on ? "none" : "";
    for (const way of ["dragging", "boxZoom", "doubleClickZoom", "touchZoom"]) state.map[way]?.[on ? "disable" : "enable"]();
    say(on ? _("Drag from one corner to the other") : state.lost ? _("The basemap can't be reached; the coordinates can be typed.") : "");
  }

  function put(bounds) {
    if (state.box) state.box.setBounds(bounds);
    else state.box = L.rectangle(bounds, STYLE).addTo(state.map);
  }

  function begin(event) {
    if (!state.drawing || event.button > 0 || event.target.closest(".leaflet-control")) return;
    event.preventDefault();
    event.stopPropagation();
    state.from = { latlng: state.map.mouseEventToLatLng(event), at: state.map.mouseEventToContainerPoint(event), pointer: event.pointerId };
    state.map.getContainer().setPointerCapture(event.pointerId);
  }

  function move(event) {
    if (state.from?.pointer !== event.pointerId) return;
    put(boundsOf(state.from.latlng, state.map.mouseEventToLatLng(event)));
  }

  function end(event) {
    if (state.from?.pointer !== event.pointerId) return;
    const { latlng, at } = state.from;
    if (at.distanceTo(state.map.mouseEventToContainerPoint(event)) < SMALLEST_PX) { state.from = null; return; }
    put(boundsOf(latlng, state.map.mouseEventToLatLng(event)));
    drawMode(false);
    state.map.fire("draw:created", { layer: state.box, layerType: "rectangle" });
  }

  // What the page knows: west, south, east, north, as typed or as drawn.
  function show(box) {
    if (!state.map || JSON.stringify(box) === state.shown) return;
    state.shown = JSON.stringify(box);
    if (!box) { state.box?.remove(); state.box = null; return; }
    const bounds = L.latLngBounds([[box[1], box[0]], [box[3], box[2]]]);
    const drawn = state.box?.getBounds().equals(bounds, 1e-5);
    put(bounds);
    if (!drawn) state.map.fitBounds(bounds, { padding: [40, 40] });
  }

  function watch(tiles) {
    let came = false, failed = 0;
    tiles.on("tileload", () => { came = true; state.lost = false; });
    tiles.on("tileerror", () => {
      failed += 1;
      if (came || failed < 4 || state.lost) return;
      state.lost = true;
      if (!state.drawing) drawMode(false);
    });
  }

  function setup(map, tiles, bounds) {
    Object.assign(state, { map, box: null, shown: "" });
    const control = L.control({ position: "topright" });
    control.onAdd = () => {
      const holder = L.DomUtil.create("div", "samgeo-draw leaflet-bar");
      state.button = holder.appendChild(document.createElement("button"));
      state.button.type = "button";
      state.button.textContent = _("Draw a box");
      state.button.setAttribute("aria-pressed", "false");
      state.button.onclick = () => drawMode(!state.drawing);
      state.hint = holder.appendChild(document.createElement("div"));
      state.hint.className = "samgeo-hint";
      state.hint.setAttribute("role", "status");
      state.hint.style.display = "none";
      L.DomEvent.disableClickPropagation(holder);
      return holder;
    };
    control.addTo(map);
    map.attributionControl.setPrefix(false);
    L.control.scale({ imperial: false, position: "bottomleft" }).addTo(map);
    const container = map.getContainer();
    container.addEventListener("pointerdown", begin, true);
    container.addEventListener("pointermove", move);
    container.addEventListener("pointerup", end);
    container.addEventListener("pointercancel", () => drawMode(false));
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && state.drawing) drawMode(false); });
    watch(tiles);
    // The frame gets its height only after the map is there.
    let touched = false;
    const fit = () => { if (!touched) map.fitBounds(state.box ? state.box.getBounds().pad(0.3) : bounds, { animate: false }); };
    for (const name of ["pointerdown", "wheel", "keydown"]) container.addEventListener(name, () => { touched = true; }, { passive: true, once: true });
    map.on("resize", fit);
    fit();
  }

  return { setup, show };
})();
