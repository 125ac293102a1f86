// Before and after on one map: what was found shows on the right of a line that can be moved, by
// dragging or by keys; on its left there is the image alone.
window.samgeoSwipe = window.samgeoSwipe || (() => {
  "use strict";

  const STEP = 2, LEAP = 10; // percent of the map that a key moves the line
  const state = { map: null, layers: {}, at: 50, line: null, button: null };

  const clamp = (value) => Math.min(100, Math.max(0, value));

  // What stands above the image; those of a comparison lie in a pane of their own.
  function drawn() {
    const canvas = state.layers.objects?.options.renderer?._container;
    const masks = state.layers.masks?.getContainer?.();
    return [canvas, masks, state.map.getPane("comparison")].filter(Boolean);
  }

  // NOTE: panes move with the map, so that what is cut is told in their own frame.
  function clip() {
    if (!state.line) return;
    const { x: width, y: height } = state.map.getSize(), x = (width * state.at) / 100;
    const from = state.map.containerPointToLayerPoint([x, 0]);
    const to = state.map.containerPointToLayerPoint([width, height]);
    for (const element of drawn()) {
      const { x: left, y: top } = L.DomUtil.getPosition(element) ?? { x: 0, y: 0 };
      const inset = [from.y - top, to.x - left, to.y - top, from.x - left];
      element.style.clip = `rect(${inset.map((n) => `${Math.round(n)}px`).join(" ")})`;
    }
    state.line.style.left = `${state.at}%`;
    const told = Math.round(state.at);
    state.line.setAttribute("aria-valuenow", told);
    state.line.setAttribute("aria-valuetext", _("{n} % of the map without objects", { n: told }));
  }

  function unclip() {
    for (const element of drawn()) element.style.clip = "";
  }

  function move(at) {
    state.at = clamp(at);
    clip();
  }

  function keyed(event) {
    const steps = {
      ArrowLeft: -STEP, ArrowDown: -STEP, ArrowRight: STEP, ArrowUp: STEP, PageDown: -LEAP, PageUp: LEAP,
      Home: -100, End: 100,
    };
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation(); // the map would go the same way
    move(state.at + steps[event.key]);
  }

  function dragged(event) {
    const { left, width } = state.map.getContainer().getBoundingClientRect();
    move(((event.clientX - left) / width) * 100);
  }

  function line() {
    const node = L.DomUtil.create("div", "samgeo-swipe", state.map.getContainer());
    L.DomUtil.create("span", "samgeo-swipe-grip", node).textContent = "◂ ▸";
    const told = {
      role: "slider", tabindex: "0", "aria-orientation": "horizontal", "aria-valuemin": "0", "aria-valuemax": "100",
      "aria-label": _("Before and after: move the line"),
    };
    for (const [name, value] of Object.entries(told)) node.setAttribute(name, value);
    L.DomEvent.disableClickPropagation(node);
    node.addEventListener("keydown", keyed);
    node.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      event.stopPropagation();
      node.focus();
      node.setPointerCapture(event.pointerId);
      node.addEventListener("pointermove", dragged);
    });
    for (const name of ["pointerup", "pointercancel"]) {
      node.addEventListener(name, () => node.removeEventListener("pointermove", dragged));
    }
    return node;
  }

  function toggle() {
    const begins = !state.line;
    state.button.setAttribute("aria-pressed", String(begins));
    if (begins) {
      state.line = line();
      clip();
      state.line.focus();
      return;
    }
    unclip();
    state.line.remove();
    state.line = null;
  }

  function setup(map, layers) {
    Object.assign(state, { map, layers });
    const control = L.control({ position: "topleft" });
    control.onAdd = () => {
      const box = L.DomUtil.create("div", "leaflet-bar");
      state.button = L.DomUtil.create("button", "samgeo-swipe-button", box);
      Object.assign(state.button, { type: "button", title: _("Before and after"), textContent: "◧" });
      state.button.setAttribute("aria-label", _("Before and after"));
      state.button.setAttribute("aria-pressed", "false");
      L.DomEvent.disableClickPropagation(box);
      state.button.addEventListener("click", toggle);
      return box;
    };
    control.addTo(map);
    map.on("move zoom viewreset resize moveend zoomend overlayadd layeradd", clip);
    map.on("zoomanim", unclip); // while it is animated, a clip would be of another scale
  }

  return { setup };
})();
