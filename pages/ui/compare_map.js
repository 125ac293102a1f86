// Outlines of a comparison above the objects of a result: what matched, changed, is missing or extra.
window.samgeoCompare = window.samgeoCompare || (() => {
  "use strict";

  const PANE = "comparison", FAINT = 0.25;
  const state = { map: null, objects: null, address: null, layer: null, rows: [], note: "", renderer: null };

  function style({ properties }) {
    const { color, dashed, kind } = properties;
    return {
      color, weight: dashed ? 2 : 2.5, opacity: 1, dashArray: dashed ? "6 4" : null, fillColor: color,
      fillOpacity: kind === "matched" ? 0.22 : 0.1,
    };
  }

  // NOTE: no event reaches the pane, so that objects below can be pointed at as before.
  function renderer(map) {
    if (state.renderer) return state.renderer;
    const pane = map.createPane(PANE);
    Object.assign(pane.style, { zIndex: 450, pointerEvents: "none" });
    state.renderer = L.canvas({ pane: PANE, padding: 0.3 });
    return state.renderer;
  }

  // What is compared lies above; the objects' own colours step back while it does.
  function dim() {
    const canvas = state.objects?.options.renderer?._container;
    if (canvas) canvas.style.opacity = state.layer ? FAINT : "";
  }

  function clear() {
    if (state.layer) state.map.removeLayer(state.layer);
    Object.assign(state, { layer: null, rows: [], note: "" });
  }

  async function load(address) {
    state.note = _("Comparing…");
    window.samgeo.drawLegend();
    try {
      const response = await fetch(address);
      if (!response.ok) throw new Error(`status ${response.status}`);
      const found = await response.json();
      if (state.address !== address) return;
      clear();
      const options = { renderer: renderer(state.map), interactive: false, pane: PANE };
      state.layer = L.geoJSON(found.features, { ...options, style }).addTo(state.map);
      state.rows = found.legend;
    } catch (error) {
      console.warn("comparison not loaded:", error);
      if (state.address !== address) return;
      clear();
      state.note = _("The comparison could not be loaded");
    }
    dim();
    window.samgeo.drawLegend();
  }

  function legend(box, element) {
    const names = { matched: _("Matched"), changed: _("Changed"), missing: _("Missing"), extra: _("Extra") };
    for (const { kind, name, color, count, dashed } of state.rows) {
      const row = box.appendChild(element("div", "samgeo-row samgeo-compared"));
      const swatch = row.appendChild(element("span", "samgeo-swatch"));
      swatch.style.border = `2px ${dashed ? "dashed" : "solid"} ${color}`;
      row.appendChild(element("span", "", `${names[kind] ?? name}: ${count.toLocaleString("en")}`));
    }
    if (state.note) box.appendChild(element("div", "samgeo-hint", state.note));
  }

  function update(map, objects, address) {
    Object.assign(state, { map, objects });
    if (state.address === address) { dim(); return; }
    state.address = address;
    if (address) { load(address); return; }
    clear();
    dim();
    window.samgeo.drawLegend();
  }

  return { update, legend };
})();
